"""DeLong's variance of the AUC and what follows from it: an interval, a paired difference, and all p-values at once.

DeLong, DeLong and Clarke-Pearson 1988, with mid-ranks by searchsorted.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from .resamples import Floats, Ints, Sample
from .uncertainty import LEVEL, Difference, Interval


def delong_interval(sample: Sample) -> Interval | None:
    """Return AUC ± 1.96 standard errors, within [0, 1]. None with fewer than two cases of a class."""
    areas, covariance = delong_covariance(sample.truth, sample.predictions[None])
    variance = covariance[0, 0]
    if not np.isfinite(variance):
        return None
    reach = float(norm.ppf((1 + LEVEL) / 2)) * math.sqrt(max(variance, 0))
    return [max(0.0, float(areas[0]) - reach), min(1.0, float(areas[0]) + reach)]


def delong_covariance(truth: Ints, predictions: Floats) -> tuple[Floats, Floats]:
    """Return (entries,) AUCs and their (entries, entries) covariance, all pairs at once.

    truth: (n,) 0 or 1. predictions: (entries, n). NaN with fewer than two cases of a class.
    """
    is_positive = np.asarray(truth) == 1
    positives, negatives = predictions[:, is_positive], predictions[:, ~is_positive]
    if not positives.shape[1] or not negatives.shape[1]:
        nan = np.full(len(predictions), np.nan)
        return nan, np.outer(nan, nan)
    of_positive = np.empty(positives.shape)
    of_negative = np.empty(negatives.shape)
    for row in range(len(predictions)):
        of_positive[row], of_negative[row] = _placements(positives[row], negatives[row])
    return of_positive.mean(axis=1), _covariance_of_mean(of_positive) + _covariance_of_mean(of_negative)


def _placements(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """Return each positive's share of negatives below it, and each negative's share of positives above it.

    Ties count half. Only the few positives are searched for. A positive p is below the j-th lowest negative if the
    number of negatives up to p is at most j, so counting those numbers gives the other side.
    """
    order = np.argsort(negatives)
    ranked, n = negatives[order], len(negatives)
    below, up_to = (np.searchsorted(ranked, positives, side=side) for side in ("left", "right"))
    not_above = np.cumsum(np.bincount(below, minlength=n + 1) + np.bincount(up_to, minlength=n + 1))[:n]
    of_negative = np.empty(n)
    of_negative[order] = 1 - not_above / (2 * len(positives))
    return (below + up_to) / (2 * n), of_negative


def _covariance_of_mean(values: Floats) -> Floats:
    """Return the covariance of the rows' means. values: (entries, cases)."""
    n = values.shape[1]
    if n < 2:
        return np.full((len(values), len(values)), np.nan)
    centred = values - values.mean(axis=1, keepdims=True)
    return centred @ centred.T / (n * (n - 1))


def delong_difference(truth: Ints, first: Floats, second: Floats) -> Difference | None:
    """Return how two AUCs on the same cases differ. None with fewer than two cases of a class."""
    areas, covariance = delong_covariance(truth, np.stack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if not np.isfinite(variance):
        return None
    difference, error = float(areas[0] - areas[1]), math.sqrt(max(float(variance), 0))
    reach = float(norm.ppf((1 + LEVEL) / 2)) * error
    return Difference(difference, difference - reach, difference + reach, _p_value(difference, error), "delong")


def delong_p_values(areas: Floats, covariance: Floats) -> Floats:
    """Return (entries, entries) two-sided p-values of all differences, 1 on the diagonal."""
    variances = np.diag(covariance)
    errors = np.sqrt(np.maximum(variances[:, None] + variances[None] - 2 * covariance, 0))
    differences = np.abs(areas[:, None] - areas[None])
    # An error of nearly zero means equal rankings; only rounding keeps it from being zero.
    z = np.where(errors > 1e-9, differences / np.maximum(errors, 1e-9), np.where(differences > 1e-12, np.inf, 0))
    return 2 * norm.sf(z)


def _p_value(difference: float, error: float) -> float:
    if error <= 1e-9:
        return 1.0 if abs(difference) <= 1e-12 else 0.0
    return float(2 * norm.sf(abs(difference) / error))
