"""Which candidates of a scan count, and which findings they hit: the same for a score and for the look at one case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .base import Floats

# As in LUNA16's evaluation: if a scan has more candidates, only those more probable than the next one count.
MAX_CANDIDATES = 100


def most_probable(candidates: Floats) -> Floats:
    """Return the candidates that count. candidates: (k, 4), the probability last."""
    if len(candidates) <= MAX_CANDIDATES:
        return candidates
    next_one = np.sort(candidates[:, 3])[::-1][MAX_CANDIDATES]
    return candidates[candidates[:, 3] > next_one]


def is_inside(candidates: Floats, findings: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
    """Return (findings, k) whether each candidate (x, y, z mm, …) is closer to a finding's centre than its radius."""
    spheres = np.array(findings, dtype=np.float64).reshape(-1, 4)
    away = candidates[None, :, :3] - spheres[:, None, :3]
    inside: NDArray[np.bool_] = (away**2).sum(axis=2) < (spheres[:, None, 3] / 2) ** 2
    return inside
