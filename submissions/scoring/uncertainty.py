"""Confidence intervals by resampling: bootstraps over cases and over patients (Efron 1979)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
    return percentile_intervals(values_over(sample, metrics, chunks))


def values_over(sample: Sample, metrics: Iterable[Metric], chunks: CountChunks) -> dict[str, Floats]:
    """Return (resamples,) values of each metric; resamples that cannot be scored at all are left out."""
    metrics = list(metrics)
    drawn: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
    for counts in chunks:
        resamples = Resamples(sample, sample.usable(counts))
        for metric in metrics:
            drawn[metric.name].append(metric.over(resamples))
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def percentile_intervals(drawn: Mapping[str, Floats]) -> dict[str, Interval]:
    intervals = {name: percentile_interval(values) for name, values in drawn.items()}
    return {name: interval for name, interval in intervals.items() if interval}


def percentile_interval(values: Floats) -> Interval | None:
    """Return the 2.5 and 97.5 percentiles of the finite values, or None if there are none."""
    finite = values[np.isfinite(values)]
    return np.percentile(finite, [2.5, 97.5]).tolist() if len(finite) else None


@dataclass(frozen=True)
class Difference:
    """First entry minus second: its interval, and the two-sided p-value if the method gives one."""

    value: float
    low: float
    high: float
    p_value: float | None
    method: str


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
