"""Metrics of one probability per case that depend only on the order of the scores."""

from __future__ import annotations

from submissions.scoring import ranks
from submissions.scoring.resamples import Floats, Resamples

from . import support
from .registry import resample_metric


@resample_metric("auc", "AUC")
def auc(resamples: Resamples) -> Floats:
    """Return (resamples,) the area under the ROC curve, ties counting half (Hanley and McNeil 1982)."""
    return ranks.area_under_roc(resamples.ranked)


@resample_metric("sensitivity_at_95_specificity", "Sensitivity at 95 % specificity", support=support.positives)
def sensitivity_at_95_specificity(resamples: Resamples) -> Floats:
    """Return (resamples,) the sensitivity at 95 % specificity, as LUNA25's evaluation reads it off the ROC curve."""
    return ranks.sensitivity_at_specificity(resamples.ranked, 0.95)


@resample_metric("specificity_at_95_sensitivity", "Specificity at 95 % sensitivity", at_sensitivity=0.95)
def specificity_at_95_sensitivity(resamples: Resamples) -> Floats:
    """Return (resamples,) the specificity at 95 % sensitivity, as LUNA25's evaluation reads it off the ROC curve."""
    return ranks.specificity_at_sensitivity(resamples.ranked, 0.95)


@resample_metric("average_precision", "Average precision", support=support.positives)
def average_precision(resamples: Resamples) -> Floats:
    """Return (resamples,) Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds, as scikit-learn does: no interpolation."""
    return ranks.average_precision(resamples.ranked)
