"""Metrics of a model with confidence intervals by patient. Framework-free: values in, values out.

Definitions are scikit-learn's, so that a card's figures equal a leaderboard's for the same predictions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import beta, norm, rankdata
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

RESAMPLES = 2000
# A probability of exactly 0 or 1 has no finite logit. Probabilities are clipped at this distance from 0 and 1, beyond
# which the fit no longer changes.
LOGIT_CLIP = 1e-12
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def estimate_by_group(
    metric: Callable[[NDArray[np.int64]], float], groups: NDArray[np.str_], seed: int = 0
) -> Estimate:
    """Return `metric` of all rows with its 95 % interval: percentiles of 2,000 bootstraps over groups (patients).

    metric: takes row numbers (m,), each repeated as often as it was drawn. groups: (n,) the group of each row.
    A resample on which the metric is undefined (ValueError or nan) is skipped.
    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; whole groups are drawn.
    """
    rng = np.random.default_rng(seed)
    _, number = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(number == group) for group in range(number.max() + 1)]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(members), len(members))
        drawn.append(_or_nan(metric, np.concatenate([members[group] for group in chosen])))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(metric(np.arange(len(groups))), float(low), float(high))


def _or_nan(metric: Callable[[NDArray[np.int64]], float], rows: NDArray[np.int64]) -> float:
    try:
        return metric(rows)
    except ValueError:
        return float("nan")


def auc(label: Labels, score: Floats) -> float:
    """Return the area under the ROC curve (AUC); ties count half.

    label: (n,) 0 or 1. score: (n,) in any unit, higher means 1.
    The share of pairs in the right order (Mann & Whitney, 1947), because thousands of resamples need to be fast; equal
    to sklearn.metrics.roc_auc_score. Raises ValueError with one class only.
    """
    is_positive = label == 1
    positive, negative = score[is_positive], np.sort(score[~is_positive])
    if not len(positive) or not len(negative):
        raise ValueError("one class only")
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.sum()) / (2 * len(positive) * len(negative))


@dataclass(frozen=True)
class Paired:
    """The difference of two AUCs of the same rows, with its 95 % interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float

    def __str__(self) -> str:
        return f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}), p = {self.p_value:.3f}"


def paired_auc(label: Labels, one: Floats, other: Floats, groups: NDArray[np.str_]) -> Paired:
    """Return AUC(one) - AUC(other), whose variance treats the rows of one group (patient) as dependent.

    label: (n,) 0 or 1. one, other: (n,) scores. groups: (n,).
    Sources: DeLong, DeLong & Clarke-Pearson (1988); Obuchowski, Nonparametric analysis of clustered ROC curve data
    (1997). Raises ValueError with one class only.
    """
    difference = auc(label, one) - auc(label, other)
    placed = _placements(label, one) - _placements(label, other)
    _, number = np.unique(groups, return_inverse=True)
    variance = _clustered_variance(label, placed, number, difference)
    error = float(np.sqrt(variance))
    p_value = float(2 * norm.sf(abs(difference) / error)) if error > 0 else 1.0
    return Paired(difference, difference - 1.96 * error, difference + 1.96 * error, p_value)


def _placements(label: Labels, score: Floats) -> Floats:
    """Return (n,): for each row the share of the other class that it is ranked rightly against; ties count half."""
    everything = rankdata(score)
    own = np.zeros(len(score))
    for value in (0, 1):
        own[label == value] = rankdata(score[label == value])
    positive = label == 1
    below = (everything - own) / np.where(positive, (~positive).sum(), positive.sum())
    return np.asarray(np.where(positive, below, 1 - below))


def _clustered_variance(label: Labels, placed: Floats, number: NDArray[np.intp], mean: float) -> float:
    """Return Obuchowski's variance of a (difference of) AUC whose placements are `placed`."""
    clusters = int(number.max()) + 1
    sums = []
    for value in (1, 0):
        rows = label == value
        away = np.bincount(number[rows], placed[rows] - mean, minlength=clusters)
        sums.append(away / rows.sum())
    positive, negative = sums
    with_positive = max(int((np.bincount(number[label == 1], minlength=clusters) > 0).sum()), 2)
    with_negative = max(int((np.bincount(number[label == 0], minlength=clusters) > 0).sum()), 2)
    return float(
        with_positive / (with_positive - 1) * (positive**2).sum()
        + with_negative / (with_negative - 1) * (negative**2).sum()
        + 2 * clusters / (clusters - 1) * (positive * negative).sum()
    )


def exact_share(right: NDArray[np.bool_]) -> Estimate:
    """Return a share with its exact 95 % interval (Clopper & Pearson, 1934). right: (n,), n at least 1."""
    found, n = int(right.sum()), len(right)
    low = float(beta.ppf(0.025, found, n - found + 1)) if found else 0.0
    high = float(beta.ppf(0.975, found + 1, n - found)) if found < n else 1.0
    return Estimate(found / n, low, high)


def brier(label: Labels, probability: Floats) -> float:
    """Return the Brier score: the mean squared difference of probability and label, 0 to 1 (Brier, 1950).

    label: (n,) 0 or 1. probability: (n,) of label 1.
    """
    return float(np.mean((probability - label) ** 2))


@dataclass(frozen=True)
class Platt:
    """Platt calibration: probability = sigmoid(slope * logit + intercept)."""

    slope: float
    intercept: float

    def probability(self, logits: Floats) -> Floats:
        """Return (n,) probabilities of logits (n,)."""
        return np.asarray(expit(self.slope * logits + self.intercept))


def fit_platt(label: Labels, logits: Floats) -> Platt:
    """Fit the Platt calibration of `logits` to `label`, by maximum likelihood without penalty.

    label: (n,) 0 or 1. logits: (n,).
    Source: Platt, Probabilistic Outputs for Support Vector Machines (1999), with the labels themselves as targets.
    Raises ValueError with one class only.
    """
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(logits[:, None], label)
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def cross_fitted(label: Labels, logits: Floats, fold: Labels) -> Floats:
    """Return (n,) cross-fitted probabilities: each fold is calibrated on the other folds only.

    label: (n,) 0 or 1. logits: (n,). fold: (n,) number of the fold.
    Raises ValueError where the other folds hold one class only.
    """
    probability = np.zeros(len(label))
    for number in np.unique(fold):
        inside = fold == number
        probability[inside] = fit_platt(label[~inside], logits[~inside]).probability(logits[inside])
    return probability


def calibration_line(label: Labels, probability: Floats) -> Platt:
    """Return calibration slope and intercept, the label regressed on the predicted logit: ideally 1 and 0 (Cox, 1958).

    label: (n,) 0 or 1. probability: (n,) of label 1. Raises ValueError with one class only.
    """
    return fit_platt(label, logit(probability.clip(LOGIT_CLIP, 1 - LOGIT_CLIP)))


def accuracy(label: Labels, probability: Floats) -> float:
    """Return the share of rows whose most likely class is true. label: (n,). probability: (n, classes)."""
    return float(np.mean(probability.argmax(axis=1) == label))


def macro_f1(label: Labels, probability: Floats) -> float:
    """Return the mean F1 of the classes that occur or are predicted. label: (n,). probability: (n, classes)."""
    return float(metrics.f1_score(label, probability.argmax(axis=1), average="macro"))


def log_loss(label: Labels, probability: Floats) -> float:
    """Return the mean of -ln p(true class), in nats. label: (n,). probability: (n, classes), rows summing to 1."""
    return float(metrics.log_loss(label, probability, labels=np.arange(probability.shape[1])))


def confusion(label: Labels, probability: Floats) -> NDArray[np.int64]:
    """Return counts (classes, classes): true by row, predicted by column. label: (n,). probability: (n, classes)."""
    classes = np.arange(probability.shape[1])
    return np.asarray(metrics.confusion_matrix(label, probability.argmax(axis=1), labels=classes))
