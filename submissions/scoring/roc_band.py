"""The ROC curve of an entry with the band in which the sensitivity lies at each false positive rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .curves import DECIMALS, Points, most_points
from .ranks import sensitivity_at_specificity
from .resamples import Floats, Ints, Resamples, Sample
from .share_interval import interval_of_share
from .uncertainty import patient_resamples

# A band needs fewer resamples than an interval whose ends are read as numbers.
N_RESAMPLES = 400
MAX_RATES = 41


def roc_band(sample: Sample, groups: Ints, seed: int, *, truth_is_public: bool = False) -> Points:
    """Return (false positive rate, low, high) rows: 95 % for each rate by itself, from resamples of patients.

    Empty with one class only. Few points relative to the number of cases, and rounded, as every curve drawn; of cases
    whose truth is public, as many as are drawn at most.
    """
    positives = (sample.truth == 1).astype(np.float64)
    if not 0 < positives.sum() < sample.n:
        return []
    rates = np.linspace(0, 1, MAX_RATES if truth_is_public else min(MAX_RATES, most_points(sample.n)))
    parts = [
        _sensitivities(Resamples(sample, sample.usable(counts)), rates)
        for counts in patient_resamples(groups, seed, N_RESAMPLES)
    ]
    drawn, values = np.concatenate(parts), _sensitivities(sample.once, rates)[0]
    ends = [
        interval_of_share(float(value), [positives], of_rate, groups)
        for value, of_rate in zip(values, drawn.T, strict=True)
    ]
    ends[-1] = [1.0, 1.0]  # whoever calls every case misses none
    points: Points = np.round(np.column_stack([rates, ends]), DECIMALS).tolist()
    return points


def _sensitivities(resamples: Resamples, rates: Sequence[float] | Floats) -> Floats:
    """Return (resamples, rates) the sensitivity at each false positive rate."""
    return np.stack([sensitivity_at_specificity(resamples.ranked, 1 - rate) for rate in rates], axis=1)
