"""Metrics of one probability per case, called positive at p ≥ 0.5.

Where nothing is called positive, precision and F1 are 0, as in scikit-learn.
"""

from __future__ import annotations

import numpy as np

from submissions.scoring import ranks
from submissions.scoring.resamples import Floats, Resamples

from . import support
from .registry import resample_metric


def ratio_or_zero(over: Floats, under: Floats) -> Floats:
    return np.nan_to_num(ranks.divide(over, under), nan=0.0)


@resample_metric("precision", "Precision", support=support.called_positive)
def precision(resamples: Resamples) -> Floats:
    """Return (resamples,) TP / (TP + FP), 0 where nothing is called positive."""
    both, false_alarm, _, _ = resamples.confusion(1)
    return ratio_or_zero(both, both + false_alarm)


@resample_metric("recall", "Recall", support=support.positives)
def recall(resamples: Resamples) -> Floats:
    """Return (resamples,) TP / (TP + FN), the sensitivity; 0 where nothing is positive."""
    both, _, missed, _ = resamples.confusion(1)
    return ratio_or_zero(both, both + missed)


@resample_metric("specificity", "Specificity", may_be_undefined=True, support=support.negatives)
def specificity(resamples: Resamples) -> Floats:
    """Return (resamples,) TN / (TN + FP), NaN where nothing is negative."""
    _, false_alarm, _, neither = resamples.confusion(1)
    return ranks.divide(neither, neither + false_alarm)


@resample_metric("f1", "F1", support=lambda sample: support.of_or_called_class(sample, 1))
def f1(resamples: Resamples) -> Floats:
    """Return (resamples,) 2 TP / (2 TP + FP + FN) of the positive class (van Rijsbergen 1979)."""
    return f1_of_class(resamples, 1)


def f1_of_class(resamples: Resamples, k: int) -> Floats:
    """Return (resamples,) F1 of class number `k` against the rest; 0 where it neither occurs nor is called."""
    both, false_alarm, missed, _ = resamples.confusion(k)
    return ratio_or_zero(2 * both, 2 * both + false_alarm + missed)
