"""Rounding of what is shown: decimals, significant digits, steps of the ladder, and the range of each metric."""

from __future__ import annotations

import math
from typing import Any

from submissions.scoring import METRICS


def rounded(value: Any, decimals: int | None) -> Any:
    """Round every float inside `value` to `decimals`; None keeps full precision."""
    if isinstance(value, dict):
        return {key: rounded(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, decimals) for item in value]
    # + 0.0 turns a rounded -0.0 into 0.0.
    return round(value, decimals) + 0.0 if isinstance(value, float) and decimals is not None else value


def significant(value: float, digits: int) -> float:
    """Return the value in so many significant digits: 0.08927 in two is 0.089."""
    return float(f"{value:.{digits - 1}e}")


def to_step(value: float, step: float) -> float:
    """Return the nearest multiple of `step`; without one (0), the value itself."""
    return round(round(value / step) * step, 12) if step else value


def clamped(metric: str, value: float) -> float:
    """Return the value inside the metric's range: an unbounded number carries as many labels as it has digits."""
    low, high = METRICS[metric].shown_range if metric in METRICS else (-math.inf, math.inf)
    return min(max(value, low), high)


def places_of(step: float) -> int:
    """Return how many decimals a multiple of the step has: 2 for 0.01."""
    text = f"{step:.12f}".rstrip("0")
    return len(text.partition(".")[2])
