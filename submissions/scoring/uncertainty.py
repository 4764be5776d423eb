"""Confidence intervals: bootstraps over cases and over patients, and DeLong's variance of the AUC.

DeLong, DeLong and Clarke-Pearson 1988, with mid-ranks by searchsorted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from .metrics import Metric
from .resamples import Floats, Ints, Resamples, Sample

Interval = list[float]

N_RESAMPLES = 1000
LUNA25_SEED = 42
LEVEL = 0.95
# Resamples per chunk: the arrays stay in the cache, and are too small for BLAS to start threads.
CHUNK = 20
CHUNK_CELLS = 4_000_000

CountChunks = Iterator[Floats]


def case_resamples(n: int, n_resamples: int = N_RESAMPLES) -> CountChunks:
    """Yield LUNA25's resamples as counts: RandomState(42).randint(0, n, n), one after the other."""
    random = np.random.RandomState(LUNA25_SEED)
    for size in _chunk_sizes(n, n_resamples):
        yield _counts(random.randint(0, n, (size, n)), n)


def patient_resamples(groups: Ints, seed: int, n_resamples: int = N_RESAMPLES) -> CountChunks:
    """Yield resamples of whole patients as counts of cases. groups: (n,) the patient number of each case."""
    n_patients = int(groups.max()) + 1
    random = np.random.default_rng(seed)
    for size in _chunk_sizes(len(groups), n_resamples):
        drawn = random.integers(0, n_patients, (size, n_patients))
        yield _counts(drawn, n_patients)[:, groups]


def patient_groups(patients: Sequence[str]) -> Ints:
    """Return (n,) the patient number of each case, in order of first appearance.

    A case without a patient is a group of its own.
    """
    numbers: dict[object, int] = {}
    keys = (patient if patient else (position,) for position, patient in enumerate(patients))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _chunk_sizes(n: int, n_resamples: int) -> Iterator[int]:
    chunk = max(1, min(CHUNK, CHUNK_CELLS // max(n, 1)))
    for start in range(0, n_resamples, chunk):
        yield min(chunk, n_resamples - start)


def _counts(drawn: Ints, n: int) -> Floats:
    """Return (resamples, n) how often each number is in each row of `drawn`."""
    counts = np.empty((len(drawn), n))
    for row, numbers in zip(counts, drawn, strict=True):
        row[:] = np.bincount(numbers, minlength=n)
    return counts


def bootstrap(sample: Sample, metrics: Iterable[Metric], chunks: CountChunks) -> dict[str, Interval]:
    """Return the percentile intervals of metrics; resamples on which a metric is undefined are skipped for it."""
    metrics = list(metrics)
    drawn: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
    for counts in chunks:
        resamples = Resamples(sample, sample.usable(counts))
        for metric in metrics:
            drawn[metric.name].append(metric.over(resamples))
    intervals = {name: percentile_interval(np.concatenate(parts)) for name, parts in drawn.items()}
    return {name: interval for name, interval in intervals.items() if interval}


def percentile_interval(values: Floats) -> Interval | None:
    """Return the 2.5 and 97.5 percentiles of the finite values, or None if there are none."""
    finite = values[np.isfinite(values)]
    return np.percentile(finite, [2.5, 97.5]).tolist() if len(finite) else None


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


@dataclass(frozen=True)
class Difference:
    """First entry minus second: its interval, and the two-sided p-value if the method gives one."""

    value: float
    low: float
    high: float
    p_value: float | None
    method: str


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


def bootstrap_differences(
    metrics: Iterable[Metric], first: Sample, second: Sample, chunks: CountChunks, method: str
) -> dict[str, Difference]:
    """Return how metrics differ between two entries on the same resamples; undefined metrics are left out."""
    values = {metric: (metric.value(first), metric.value(second)) for metric in metrics}
    defined = {metric: a - b for metric, (a, b) in values.items() if a is not None and b is not None}
    drawn: dict[str, list[Floats]] = {metric.name: [] for metric in defined}
    for counts in chunks:
        kept = first.usable(counts)
        pair = Resamples(first, kept), Resamples(second, kept)
        for metric in defined:
            drawn[metric.name].append(metric.over(pair[0]) - metric.over(pair[1]))
    found = {}
    for metric, difference in defined.items():
        if interval := percentile_interval(np.concatenate(drawn[metric.name])):
            found[metric.name] = Difference(difference, interval[0], interval[1], None, method)
    return found
