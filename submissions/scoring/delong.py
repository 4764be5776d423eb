"""DeLong's variance of the AUC and what follows from it: an interval, a paired difference, and all p-values at once.

DeLong, DeLong and Clarke-Pearson 1988, with mid-ranks by searchsorted.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm

from .auc_interval import AreaFacts, Z, auc_intervals, newcombe_interval
from .resamples import Floats, Ints, Sample
from .uncertainty import Difference, Interval


def delong_interval(sample: Sample) -> Interval | None:
    """Return AUC ± 1.96 standard errors, within [0, 1]. None with fewer than two cases of a class."""
    areas, covariance = delong_covariance(sample.truth, sample.predictions[None])
    variance = covariance[0, 0]
    if not np.isfinite(variance):
        return None
    reach = Z * math.sqrt(max(variance, 0))
    return [max(0.0, float(areas[0]) - reach), min(1.0, float(areas[0]) + reach)]


def delong_covariance(truth: Ints, predictions: Floats, groups: Ints | None = None) -> tuple[Floats, Floats]:
    """Return (entries,) AUCs and their (entries, entries) covariance, all pairs at once.

    truth: (n,) 0 or 1. predictions: (entries, n). groups: (n,) the patient number of each case; cases of a patient may
    then depend on each other (Obuchowski 1997, DeLong's estimate where every patient has one case).
    NaN with fewer than two cases (or patients) of a class.
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
    if groups is None:
        return of_positive.mean(axis=1), _covariance_of_mean(of_positive) + _covariance_of_mean(of_negative)
    return of_positive.mean(axis=1), _clustered(of_positive, of_negative, groups[is_positive], groups[~is_positive])


def _clustered(of_positive: Floats, of_negative: Floats, positive_groups: Ints, negative_groups: Ints) -> Floats:
    """Return the covariance of AUCs with cases summed by patient. of_positive, of_negative: (entries, cases)."""
    n_groups = int(max(positive_groups.max(), negative_groups.max())) + 1
    by_positive, n_positive_groups = _sums_by_group(of_positive, positive_groups, n_groups)
    by_negative, n_negative_groups = _sums_by_group(of_negative, negative_groups, n_groups)
    crossed = by_positive @ by_negative.T
    return (
        by_positive @ by_positive.T * _small_sample(n_positive_groups)
        + by_negative @ by_negative.T * _small_sample(n_negative_groups)
        + (crossed + crossed.T) * _small_sample(len(np.union1d(positive_groups, negative_groups)))
    )


def _sums_by_group(values: Floats, groups: Ints, n_groups: int) -> tuple[Floats, int]:
    """Return (entries, n_groups) how far each patient moves the mean of each row, and how many patients do."""
    centred = (values - values.mean(axis=1, keepdims=True)) / values.shape[1]
    membership = csr_array((np.ones(len(groups)), (groups, np.arange(len(groups)))), (n_groups, len(groups)))
    return (membership @ centred.T).T, len(np.unique(groups))


def _small_sample(n: int) -> float:
    return n / (n - 1) if n > 1 else np.nan


def auc_interval(sample: Sample, groups: Ints | None = None) -> tuple[str, Interval] | None:
    """Return the name (`logit` or `newcombe`) and the interval of the AUC; None if there is only one class.

    groups: (n,) the patient number of each case; without it every case is a patient of its own.
    """
    groups = np.arange(sample.n) if groups is None else groups
    facts = area_facts(sample, groups)
    if facts is None:
        return None
    low, high, is_logit = auc_intervals(facts)
    return ("logit" if is_logit else "newcombe"), [float(low), float(high)]


def area_facts(sample: Sample, groups: Ints) -> AreaFacts | None:
    """Return what the AUC's interval is computed from; None if there is only one class."""
    is_positive = sample.truth == 1
    if is_positive.all() or not is_positive.any():
        return None
    areas, covariance = delong_covariance(sample.truth, sample.predictions[None], groups)
    counts = [len(cases) for of in (is_positive, ~is_positive) for cases in (groups[of], np.unique(groups[of]))]
    n_positive, positive_patients, n_negative, negative_patients = (np.array(float(count)) for count in counts)
    return AreaFacts(
        areas[:1].reshape(()),
        covariance[0, :1].reshape(()),
        n_positive,
        n_negative,
        positive_patients,
        negative_patients,
    )


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


def delong_difference(truth: Ints, first: Floats, second: Floats, groups: Ints | None = None) -> Difference | None:
    """Return how two AUCs on the same cases differ. None with fewer than two cases (or patients) of a class.

    groups: (n,) the patient number of each case.
    """
    areas, covariance = delong_covariance(truth, np.stack([first, second]), groups)
    if not np.isfinite(covariance).all():
        return None
    least = least_error(truth, groups)
    difference, error = float(areas[0] - areas[1]), float(errors_of_differences(areas, covariance, least)[0, 1])
    low, high = max(difference - Z * error, -1.0), min(difference + Z * error, 1.0)
    p_value = float(difference_p_values(areas, covariance, least)[0, 1])
    return Difference(difference, low, high, p_value, "delong")


def least_error(truth: Ints, groups: Ints | None = None) -> float:
    """Return the standard error of the AUC where no case contradicts it: that of Newcombe's lower end at an AUC of 1.

    It stands in for an estimate of zero: two entries without any spread differ by what few cases can show, not for
    certain.
    """
    groups = np.arange(len(truth)) if groups is None else groups
    n_positive, n_negative = (np.array(float(len(np.unique(groups[truth == label])))) for label in (1, 0))
    low, _ = newcombe_interval(np.array(1.0), n_positive, n_negative)
    return float(1 - low) / Z


def errors_of_differences(values: Floats, covariance: Floats, least: float) -> Floats:
    """Return (entries, entries) the standard errors of all differences; at least `least` where they are estimated as 0.

    Equal values without any error stay without.
    """
    variances = np.diag(covariance)
    errors = np.sqrt(np.maximum(variances[:, None] + variances[None] - 2 * covariance, 0))
    # An error of nearly zero means equal rankings; only rounding keeps it from being zero.
    differs = np.abs(values[:, None] - values[None]) > 1e-12
    return np.where(errors > 1e-9, errors, np.where(differs, least, 0.0))


def difference_p_values(values: Floats, covariance: Floats, least: float) -> Floats:
    """Return (entries, entries) two-sided p-values of all differences, 1 on the diagonal."""
    errors = errors_of_differences(values, covariance, least)
    differences = np.abs(values[:, None] - values[None])
    z = np.divide(differences, errors, out=np.zeros_like(errors), where=errors > 0)
    p_values: Floats = 2 * norm.sf(z)
    return p_values
