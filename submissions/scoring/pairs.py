"""Compare every two entries of a board at once, and say which ranks each of them could have.

All pairs are tested together, so the p-values are corrected for their number (Holm 1979): the chance that any rank
interval of a board misses is then at most one in twenty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .auc_interval import Z
from .delong import delong_covariance, difference_p_values, least_error
from .metrics import Metric
from .resamples import Floats, Ints, Resamples, Sample
from .share_interval import wilson_interval
from .uncertainty import LEVEL, N_RESAMPLES, patient_resamples


@dataclass(frozen=True)
class RankInterval:
    """The ranks that an entry could have. is_like_above: it is not distinguishable from the entry above it."""

    low: int
    high: int
    is_like_above: bool


def rank_intervals(metric: Metric, samples: Sequence[Sample], groups: Ints, seed: int) -> list[RankInterval]:
    """Return the rank interval of each entry. samples: the entries on the same cases, best first.

    groups: (n,) the patient number of each case; seed: of the resamples, for metrics other than the AUC.
    """
    values, p_values = all_pairs(metric, samples, groups, seed)
    differs = holm(p_values) < 1 - LEVEL
    better = differs & (values[:, None] > values[None] if metric.higher_is_better else values[:, None] < values[None])
    low, high = 1 + better.sum(axis=0), len(samples) - better.sum(axis=1)
    return [RankInterval(int(low[i]), int(high[i]), i > 0 and not bool(better[i - 1, i])) for i in range(len(samples))]


def all_pairs(metric: Metric, samples: Sequence[Sample], groups: Ints, seed: int) -> tuple[Floats, Floats]:
    """Return (entries,) values and (entries, entries) two-sided p-values of all differences, uncorrected.

    By DeLong's test clustered by patient for the AUC; else by the covariance over resamples of patients, the same for
    all entries. Raises MetricError where a metric fails.
    """
    if metric.name == "auc":
        predictions = np.stack([sample.predictions for sample in samples])
        areas, covariance = delong_covariance(samples[0].truth, predictions, groups)
        return areas, difference_p_values(areas, covariance, least_error(samples[0].truth, groups))
    values = np.array([np.nan if (value := metric.value(sample)) is None else value for sample in samples])
    n_patients = int(groups.max()) + 1
    covariance = _covariance(_drawn(metric, samples, groups, seed)) * n_patients / max(n_patients - 1, 1)
    # A share that no resample moves; a loss has no such least error and is then not told apart.
    least = (1 - wilson_interval(1.0, n_patients)[0]) / Z if metric.support else 0.0
    return values, difference_p_values(values, covariance, least)


def _drawn(metric: Metric, samples: Sequence[Sample], groups: Ints, seed: int) -> Floats:
    """Return (entries, resamples) the metric on the same resamples of patients."""
    parts = []
    for counts in patient_resamples(groups, seed, N_RESAMPLES):
        kept = samples[0].usable(counts)
        parts.append(np.stack([metric.over(Resamples(sample, kept)) for sample in samples]))
    return np.concatenate(parts, axis=1)


def _covariance(drawn: Floats) -> Floats:
    """Return the covariance of the rows over the resamples in which all are defined; NaN with fewer than two."""
    whole = drawn[:, np.isfinite(drawn).all(axis=0)]
    if whole.shape[1] < 2:
        return np.full((len(drawn), len(drawn)), np.nan)
    return np.atleast_2d(np.cov(whole))


def holm(p_values: Floats) -> Floats:
    """Return the p-values of all pairs corrected for their number (Holm 1979). p_values: (entries, entries), symmetric.

    A pair without a p-value (NaN) counts as tested, and is 1.
    """
    rows, columns = np.triu_indices(len(p_values), 1)
    given = np.nan_to_num(p_values[rows, columns], nan=1.0)
    order: NDArray[np.int64] = np.argsort(given, kind="stable")
    corrected = np.empty_like(given)
    factors = np.arange(len(given), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1)
    found = np.ones_like(p_values)
    found[rows, columns] = found[columns, rows] = corrected
    return found
