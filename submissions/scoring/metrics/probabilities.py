"""Metrics of the error of the probabilities, with one probability per case or one per class."""

from __future__ import annotations

import math

import numpy as np

from submissions.scoring.calibration import calibration_line, expected_calibration_error
from submissions.scoring.resamples import Floats, Ints, Resamples

from . import support
from .registry import metric, resample_metric


@resample_metric("brier", "Brier score", higher_is_better=False, worst=1.0)
def brier(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean of (p − truth)² (Brier 1950)."""
    sample = resamples.sample
    return resamples.sums((sample.predictions - sample.truth) ** 2) / resamples.totals


@metric("ece", "Expected calibration error", higher_is_better=False, worst=1.0)
def ece(truth: Ints, p: Floats) -> float:
    """Return the expected calibration error over ten bins of equal mass. truth, p: (n,)."""
    return expected_calibration_error(truth, p)


@metric("calibration_slope", "Calibration slope", can_rank=False, shown_range=(-1.0, 5.0))
def calibration_slope(truth: Ints, p: Floats) -> float | None:
    """Return the slope of the truth's logistic regression on logit(p) (Cox 1958); 1 is ideal. truth, p: (n,)."""
    line = calibration_line(truth, p)
    return line[0] if line else None


@metric("calibration_intercept", "Calibration intercept", can_rank=False, shown_range=(-5.0, 5.0))
def calibration_intercept(truth: Ints, p: Floats) -> float | None:
    """Return the intercept of the same regression; 0 is ideal. truth, p: (n,)."""
    line = calibration_line(truth, p)
    return line[1] if line else None


@resample_metric(
    "log_loss", "Log loss", higher_is_better=False, worst=-math.log(np.finfo(np.float64).eps), shown_range=(0.0, 2.0)
)
def log_loss(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean of -log p(true class), as scikit-learn does.

    Rows of classes are normalised; p is clipped to [eps, 1 - eps] with eps = 2.2e-16.
    """
    sample = resamples.sample
    p = sample.predictions
    table = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p / p.sum(axis=1, keepdims=True)
    eps = np.finfo(np.float64).eps
    of_truth = np.clip(table[np.arange(sample.n), sample.truth], eps, 1 - eps)
    return resamples.sums(-np.log(of_truth)) / resamples.totals


@resample_metric("accuracy", "Accuracy", support=support.every_case)
def accuracy(resamples: Resamples) -> Floats:
    """Return (resamples,) the share of correctly called cases: at p ≥ 0.5, or by the most probable class."""
    sample = resamples.sample
    return resamples.sums((sample.truth == sample.predicted).astype(np.float64)) / resamples.totals
