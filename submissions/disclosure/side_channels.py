"""Coarse forms of what a container that has seen hidden images can move: time, progress and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

STEP_S, GROWTH, EVEN_UNTIL_S = 10.0, 1.1, 100.0


def step_at_or_after(seconds: float) -> float:
    """Return the first step of the run time that is not before `seconds`: 10, 20, … 100 s, then 10 % more each."""
    if seconds <= EVEN_UNTIL_S:
        return max(STEP_S, math.ceil(seconds / STEP_S - 1e-9) * STEP_S)
    return _grown(math.ceil(math.log(seconds / EVEN_UNTIL_S, GROWTH) - 1e-9))


def step_at_or_before(seconds: float) -> float:
    """Return the last step of the run time that is not after `seconds`; 0 before the first."""
    if seconds < EVEN_UNTIL_S:
        return max(0.0, math.floor(seconds / STEP_S + 1e-9) * STEP_S)
    return _grown(math.floor(math.log(seconds / EVEN_UNTIL_S, GROWTH) + 1e-9))


def _grown(count: int) -> float:
    return float(round(EVEN_UNTIL_S * GROWTH**count))


def tenth(done: int, total: int) -> int:
    """Return the whole tenths that are done, 0 to 10."""
    return 10 * min(done, total) // total if total else 0


def tenths_shown(reached_at_s: Sequence[float], elapsed_s: float) -> int:
    """Return the tenths reached by the last step of the run time.

    reached_at_s: the seconds at which tenth 1, 2, … was reached. Progress that moved at any moment would tell the time
    that each tenth of the cases took, so it moves on steps only, and 2 s later so that what is written late counts.
    """
    step = step_at_or_before(max(0.0, elapsed_s - 2.0))
    return sum(at <= step for at in reached_at_s)


def cases_of(tenths: int, total: int) -> int:
    """Return the number of cases that so many tenths are at least."""
    return tenths * total // 10


def memory_quarters(peak_bytes: int, limit_mib: int) -> int:
    """Return the quarters of the limit that were needed, 1 to 4."""
    return min(4, max(1, math.ceil(4 * peak_bytes / (limit_mib << 20)))) if limit_mib else 4
