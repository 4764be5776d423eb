"""The interval of the specificity at a fixed sensitivity: how well the positives tell the threshold.

The threshold is the score that 95 % of all positives to come reach. A handful of positives hardly tells it, and the
bootstrap, which draws the same handful again, does not know. Each positive is placed among the negatives: the share of
them below it. The specificity sought is the 5 % quantile of these placements, and its interval that of a quantile.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom, nct

from .resamples import Floats, Ints, Sample
from .share_interval import NOTHING, wilson_interval
from .uncertainty import LEVEL, Interval

TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
# With fewer independent positives not even the lowest lies surely enough below their 5 % quantile: 0.95ⁿ > 2.5 %.
LEAST_BY_ORDER = 72
# A placement above all but this many negatives says only that it is high.
FEW_ABOVE = 2
FEWEST = 2.0


def specificity_interval(sample: Sample, groups: Ints, value: float, sensitivity: float) -> Interval | None:
    """Return the interval of the specificity at `sensitivity`; None where a class is missing.

    value: the specificity found, which the interval holds. groups: (n,) the patient number of each case.

    From LEAST_BY_ORDER independent positives on by order statistics (Thompson 1936), which assume nothing. Below, as
    the quantile of a normal distribution (the non-central t of Owen 1968), of placements on the normal scale: the
    binormal model, unequal variances included. What the negatives leave open is added by squares (Zou and Donner 2008).
    """
    is_positive = sample.truth == 1
    if is_positive.all() or not is_positive.any():
        return None
    negatives = np.sort(sample.predictions[~is_positive])
    positives = sample.predictions[is_positive]
    below = (np.searchsorted(negatives, positives) + np.searchsorted(negatives, positives, side="right")) / 2
    scaled = ndtri((below + 0.5) / (len(negatives) + 1))
    n = independent(scaled, groups[is_positive])
    share = 1 - sensitivity
    if n >= LEAST_BY_ORDER:
        low, high = _by_order(np.sort(below) / len(negatives), n, share)
    else:
        low, high = _by_normal(np.sort(scaled), len(negatives), n, share)
    is_below = negatives_below(sample, is_positive, value)
    least, most = wilson_interval(value, independent(is_below, groups[~is_positive]))
    return [
        max(0.0, value - float(np.hypot(max(value - low, 0), value - least))),
        min(1.0, value + float(np.hypot(max(high - value, 0), most - value))),
    ]


def negatives_below(sample: Sample, is_positive: NDArray[np.bool_], value: float) -> Floats:
    """Return (negatives,) whether each is among the share `value` of lowest scores."""
    negatives = sample.predictions[~is_positive]
    order = np.argsort(np.argsort(negatives, kind="stable"))
    return np.asarray(order < round(value * len(negatives)), dtype=np.float64)


def independent(values: Floats, groups: Ints) -> float:
    """Return how many independent values the mean of `values` is worth, at most as many as there are.

    groups: (n,) the patient number of each value. Where they do not differ, those of a patient count as one.
    """
    n, away = len(values), values - values.mean()
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], away)
    if n == 1 or (away**2).sum() < NOTHING:
        return max(float(len(sums)), FEWEST)
    alone = (away**2).sum() / (n - 1)
    together = (sums**2).sum() / max(len(sums) - 1, 1) * len(sums) / n
    return max(n / max(float(together / alone), 1.0), FEWEST)


def _by_order(placements: Floats, n: float, share: float) -> tuple[float, float]:
    """Return the quantile's ends among (positives,) ascending placements, worth `n` independent ones."""
    first = binom.ppf(TAILS[0], int(n), share)
    last = binom.isf(TAILS[0], int(n), share) + 1
    low, high = (int(np.clip(position * len(placements) / n, 1, len(placements))) - 1 for position in (first, last))
    return (float(placements[low]) if first >= 1 else 0.0), float(placements[high])


def _by_normal(scaled: Floats, negatives: int, n: float, share: float) -> tuple[float, float]:
    """Return the quantile's ends of a normal distribution through (positives,) ascending placements."""
    highest = float(ndtri(1 - FEW_ABOVE / (negatives + 1))) if negatives > FEW_ABOVE else np.inf
    known = int((scaled <= highest).sum())
    middle, spread = _line_through(scaled, known, highest)
    freedom = max(n * known / len(scaled), FEWEST) - 1
    low, high = (middle + factor * spread for factor in _factors(round(n, 1), round(freedom, 1), share))
    return float(ndtr(low)), float(ndtr(high))


def _line_through(scaled: Floats, known: int, highest: float) -> tuple[float, float]:
    """Return mean and standard deviation by the line of a normal plot, through the first `known` values alone.

    The others are only known to lie above `highest`.
    """
    n = len(scaled)
    expected = ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    if known < FEWEST:
        return float(min(scaled[0], highest) - expected[0] if known else highest), 1.0
    slope, middle = np.polyfit(expected[:known], scaled[:known], 1)
    return float(middle), max(float(slope), NOTHING)


@lru_cache(maxsize=4096)
def _factors(n: float, freedom: float, share: float) -> tuple[float, float]:
    """Return how many standard deviations from the mean of `n` values the ends of the quantile's interval lie.

    freedom: degrees of freedom of the standard deviation.
    """
    low, high = nct.ppf(TAILS, freedom, np.sqrt(n) * ndtri(share)) / np.sqrt(n)
    return float(low), float(high)
