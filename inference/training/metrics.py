"""How good a model is, with intervals that respect patients. Values in, values out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

RESAMPLES = 2000
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
    """Return `metric` of all rows, with percentiles of 2,000 bootstraps over groups (patients).

    metric: takes row numbers. A resample on which it is undefined (ValueError or nan) is skipped.
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
    """Return the area under the ROC curve, ties counting half. Raises ValueError with one class only."""
    positive = int(label.sum())
    negative = len(label) - positive
    if positive == 0 or negative == 0:
        raise ValueError("one class only")
    rank_sum = float(rankdata(score)[label == 1].sum())
    return (rank_sum - positive * (positive + 1) / 2) / (positive * negative)


def brier(label: Labels, probability: Floats) -> float:
    return float(np.mean((probability - label) ** 2))


@dataclass(frozen=True)
class Platt:
    """A line on the logit: probability = sigmoid(slope * logit + intercept)."""

    slope: float
    intercept: float

    def probability(self, logit: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-(self.slope * logit + self.intercept))))


def fit_platt(label: Labels, logit: Floats) -> Platt:
    """Return the line that makes `logit` a probability of `label`, by maximum likelihood."""
    model = LogisticRegression(C=1e6, max_iter=1000).fit(logit[:, None], label)
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def cross_fitted(label: Labels, logit: Floats, fold: Labels) -> Floats:
    """Return probabilities of each fold, calibrated on the other folds only."""
    probability = np.zeros(len(label))
    for number in np.unique(fold):
        inside = fold == number
        probability[inside] = fit_platt(label[~inside], logit[~inside]).probability(logit[inside])
    return probability


def calibration_line(label: Labels, probability: Floats) -> Platt:
    """Return slope and intercept of the label on the predicted logit: 1 and 0 when calibrated."""
    clipped = probability.clip(1e-6, 1 - 1e-6)
    return fit_platt(label, np.log(clipped / (1 - clipped)))


def accuracy(label: Labels, probability: Floats) -> float:
    """probability: (n, classes)."""
    return float(np.mean(probability.argmax(axis=1) == label))


def macro_f1(label: Labels, probability: Floats) -> float:
    """probability: (n, classes). Mean F1 over classes; 0 for a class that neither occurs nor is predicted."""
    counts = confusion(label, probability)
    occurring = counts.sum(axis=1) + counts.sum(axis=0)
    return float(np.mean(2 * counts.diagonal() / np.maximum(occurring, 1)))


def log_loss(label: Labels, probability: Floats) -> float:
    """probability: (n, classes)."""
    return float(-np.mean(np.log(probability[np.arange(len(label)), label].clip(1e-12))))


def confusion(label: Labels, probability: Floats) -> NDArray[np.int64]:
    """Return (true, predicted) counts."""
    table = np.zeros((probability.shape[1],) * 2, dtype=np.int64)
    np.add.at(table, (label, probability.argmax(axis=1)), 1)
    return table
