"""Calibration: how well the probabilities match the observed frequencies."""

from __future__ import annotations

import numpy as np

from .resamples import Floats, Ints

# A score of exactly 0 or 1 has no logit; clipping this close no longer changes the fit.
LOGIT_CLIP = 1e-12
MAX_STEPS = 100
# A larger slope means that the classes are separable: it would grow without limit.
MAX_SLOPE = 1e4


def quantile_bins(p: Floats, n_bins: int) -> Ints:
    """Return (n,) the bin number of each score: bins of equal mass with edges at quantiles, ties in the same bin.

    p: (n,), not empty. The edges are those of scikit-learn's calibration_curve(strategy="quantile").
    """
    edges = np.percentile(p, np.linspace(0, 100, n_bins + 1))
    return np.searchsorted(edges[1:-1], p)


def expected_calibration_error(truth: Ints, p: Floats, n_bins: int = 10) -> float:
    """Return the mean over cases of |observed share - mean p| of their bin (Naeini et al. 2015).

    truth: (n,) of 0 and 1. p: (n,) in [0, 1], not empty: numpy raises IndexError on an empty array.
    """
    bins = quantile_bins(p, n_bins)
    gaps = np.bincount(bins, weights=p - truth, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(p))


def calibration_line(truth: Ints, p: Floats) -> tuple[float, float] | None:
    """Return (slope, intercept) of the unpenalised logistic regression of the truth on logit(p) (Cox 1958).

    truth: (n,) of 0 and 1. p: (n,) in [0, 1], not empty: numpy raises ValueError on an empty array. p is clipped to
    LOGIT_CLIP away from 0 and 1. Scores that are all equal carry no information: slope 0, intercept the logit of the
    prevalence. None where no finite line exists: only one class, or classes that a threshold separates.
    """
    if truth.min() == truth.max():
        return None
    clipped = np.clip(p, LOGIT_CLIP, 1 - LOGIT_CLIP)
    logits = np.log(clipped) - np.log1p(-clipped)
    prevalence = truth.mean()
    if np.ptp(logits) == 0:
        return 0.0, float(np.log(prevalence / (1 - prevalence)))
    # Asked before the fit, whose every step would find the next line better: the time it took would tell of labels.
    return None if _is_separated(logits, truth) or _is_separated(-logits, truth) else _fit(truth, logits)


def _fit(truth: Ints, logits: Floats) -> tuple[float, float] | None:
    """Fit by Newton's method on standardised logits; step halving prevents jumps past the optimum."""
    mean, spread = logits.mean(), logits.std()
    design = np.stack([np.ones_like(logits), (logits - mean) / spread], axis=1)
    weights = np.zeros(2)
    loss = _loss(design @ weights, truth)
    for _ in range(MAX_STEPS):
        step = _newton_step(design, weights, truth)
        weights, new_loss = _descend(design, weights, step, truth, loss)
        if np.abs(weights).max() > MAX_SLOPE:
            return None
        if np.abs(step).max() < 1e-12 * (1 + np.abs(weights).max()) or new_loss >= loss:
            break
        loss = new_loss
    slope = weights[1] / spread
    return float(slope), float(weights[0] - slope * mean)


def _newton_step(design: Floats, weights: Floats, truth: Ints) -> Floats:
    fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -700, 700)))
    hessian = (design.T * (fitted * (1 - fitted))) @ design
    return np.asarray(np.linalg.lstsq(hessian, design.T @ (truth - fitted), rcond=None)[0], dtype=np.float64)


def _descend(design: Floats, weights: Floats, step: Floats, truth: Ints, loss: float) -> tuple[Floats, float]:
    for _ in range(30):
        new_loss = _loss(design @ (weights + step), truth)
        if new_loss <= loss:
            return weights + step, new_loss
        step = step / 2
    return weights, loss


def _loss(linear: Floats, truth: Ints) -> float:
    return float((np.logaddexp(0, linear) - truth * linear).sum())


def _is_separated(logits: Floats, truth: Ints) -> bool:
    """Return whether no negative lies above a positive, so that a steeper line always fits better."""
    return bool(logits[truth == 1].min() >= logits[truth == 0].max())
