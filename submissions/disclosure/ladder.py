"""The ladder: which public scores a team is shown (Blum and Hardt, ICML 2015).

A score is shown, rounded to the step, only when it beats the best one shown so far by a step. An attacker who climbs by
chance gains nothing by small changes, and each try that is not better tells one bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .rounding import clamped, significant, to_step


@dataclass(frozen=True)
class Entry:
    """A scored entry, in the order in which the scores became known. score: in full."""

    identity: Any
    score: float
    is_baseline: bool = False


def climb(
    entries: Iterable[Entry], *, metric: str, step: float, digits: int, higher_is_better: bool
) -> dict[Any, float]:
    """Return the shown score by identity, of the entries whose score is shown. step 0: every score is shown.

    Baselines are shown each for itself and set no bar. At least one entry is shown if there is one.
    """
    shown: dict[Any, float] = {}
    best: float | None = None
    sign = 1 if higher_is_better else -1
    for entry in entries:
        score = clamped(metric, entry.score)
        if not entry.is_baseline and step and best is not None and not _beats(sign * score, sign * best, step):
            continue
        shown[entry.identity] = significant(to_step(score, step), digits)
        if not entry.is_baseline:
            best = shown[entry.identity]
    return shown


def _beats(score: float, best: float, step: float) -> bool:
    """Return whether a score is better by a step at least; 1e-12 forgives the rounding of binary fractions."""
    return score - best >= step - 1e-12
