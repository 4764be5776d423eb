"""Curves for drawing: few points relative to the number of cases, and rounded, so that a plot reveals no labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from submissions.kinds import KINDS

from .calibration import quantile_bins
from .resamples import Floats, Ints, Ranking, Sample

MAX_POINTS = 101
# One point per case would reveal every label to a participant who gives each case a different score.
CASES_A_POINT = 5
DECIMALS = 3
RELIABILITY_BINS = 10

Points = list[list[float]]


@dataclass(frozen=True)
class CurveAxes:
    """How a curve is drawn. x_ticks: marks of the x axis, from end to end; is_log: logarithmic axis."""

    title: str
    x_label: str
    y_label: str
    caption: str
    has_diagonal: bool = False
    x_ticks: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    is_log: bool = False


Draw = Callable[[NDArray[Any], NDArray[Any], Sequence[str], int], Any]


@dataclass(frozen=True)
class Curve:
    """A named plot of a split; chart: None if it has no axes.

    draw(truth, predictions, class names, most points) returns JSON.
    """

    draw: Draw
    chart: CurveAxes | None


CURVES: dict[str, Curve] = {}


def curve(name: str, chart: CurveAxes | None = None) -> Callable[[Draw], Draw]:
    """Register a function that draws a curve: points [x, y], or a map of points by line."""

    def register(draw: Draw) -> Draw:
        assert name not in CURVES, f"two curves are called {name}"
        CURVES[name] = Curve(draw, chart)
        return draw

    return register


def curves(kind: str, truth: ArrayLike, predictions: ArrayLike, *, truth_is_public: bool = False) -> dict[str, Any]:
    """Return the JSON of a kind's curves for one split: at most 101 points a curve, and one point per 5 hidden cases.

    kind: its name. truth, predictions: as returned by the kind's `truths` and `gather`. truth_is_public: then the
    points reveal nothing, and every case has its own.
    """
    sample = Sample(np.asarray(truth), np.asarray(predictions))
    names, class_names = KINDS[kind].curves, KINDS[kind].class_names
    most = MAX_POINTS if truth_is_public else most_points(sample.n)
    return {name: CURVES[name].draw(sample.truth, sample.predictions, class_names, most) for name in names}


@curve(
    "roc",
    CurveAxes("ROC", "false positive rate", "sensitivity", "Up and to the left is better; the dashed line is guessing.",
          has_diagonal=True),
)  # fmt: skip
def roc(truth: Ints, p: Floats, class_names: Sequence[str], most: int) -> Any:
    """Return (FPR, TPR) points; by class, one against the rest, where there is one probability per class."""
    if p.ndim == 1:
        return roc_points(truth == 1, p, most)
    return {name: roc_points(truth == k, p[:, k], most) for k, name in enumerate(class_names)}


@curve(
    "pr",
    CurveAxes("Precision and recall", "recall", "precision",
          "How pure the called cases stay as more of the malignant ones are found."),
)  # fmt: skip
def precision_recall(truth: Ints, p: Floats, class_names: Sequence[str], most: int) -> Points:
    return precision_recall_points(truth == 1, p, most)


@curve(
    "reliability",
    CurveAxes("Reliability", "predicted probability", "observed share",
          "On the dashed line, a predicted 30 % comes true in 30 % of cases.", has_diagonal=True),
)  # fmt: skip
def reliability(truth: Ints, p: Floats, class_names: Sequence[str], most: int) -> Points:
    return reliability_points(truth, p)


@curve("confusion")
def confusion(truth: Ints, p: Floats, class_names: Sequence[str], most: int) -> list[list[float]]:
    """Return one row per true class, with the share of each called class."""
    return confusion_shares(truth, p)


@curve("classes")
def classes(truth: Ints, p: Floats, class_names: Sequence[str], most: int) -> list[str]:
    """Return the names of the rows and columns of the confusion matrix."""
    return list(class_names)


def most_points(n_cases: int) -> int:
    """Return how many points a curve over this many cases may have."""
    return min(MAX_POINTS, max(2, n_cases // CASES_A_POINT))


def roc_points(is_positive: np.ndarray[Any, np.dtype[np.bool_]], p: Floats, most: int) -> Points:
    """Return (FPR, TPR) points from (0, 0) to (1, 1); none if there is only one class."""
    fps, tps = _called_from_the_top(is_positive, p)
    if fps[-1] == 0 or tps[-1] == 0:
        return []
    return _drawn(fps / fps[-1], tps / tps[-1], most)


def precision_recall_points(is_positive: np.ndarray[Any, np.dtype[np.bool_]], p: Floats, most: int) -> Points:
    """Return (recall, precision) points, recall rising; none without positives."""
    fps, tps = _called_from_the_top(is_positive, p)
    if tps[-1] == 0:
        return []
    return _drawn(tps[1:] / tps[-1], tps[1:] / (tps + fps)[1:], most)


def _called_from_the_top(is_positive: np.ndarray[Any, np.dtype[np.bool_]], p: Floats) -> tuple[Ints, Ints]:
    """Return (false, true) positives at every distinct threshold from the highest down, starting with (0, 0)."""
    ranking = Ranking(is_positive, p)
    thresholds = np.unique(p)[::-1]
    tps = len(ranking.positives) - np.searchsorted(ranking.positives, thresholds, side="left")
    fps = len(ranking.negatives) - np.searchsorted(ranking.negatives, thresholds, side="left")
    return np.append(0, fps), np.append(0, tps)


def _drawn(x: Floats, y: Floats, most: int) -> Points:
    """Return at most `most` of the points, spread evenly along the curve, including its ends."""
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], most)
    kept = np.unique(np.searchsorted(along, wanted - 1e-12).clip(0, len(x) - 1))
    kept = np.union1d(kept, [0, len(x) - 1])[-most:]
    points = np.round(np.stack([x[kept], y[kept]], axis=1), DECIMALS)
    return [point for i, point in enumerate(points.tolist()) if i == 0 or point != points[i - 1].tolist()]


def reliability_points(truth: Ints, p: Floats) -> Points:
    """Return (mean p, observed share) of ten bins of equal mass; fewer if scores tie or cases are few."""
    n_bins = max(1, min(RELIABILITY_BINS, len(p) // CASES_A_POINT))
    bins = quantile_bins(p, n_bins)
    sizes = np.bincount(bins, minlength=n_bins)
    used = sizes > 0
    means = np.bincount(bins, weights=p, minlength=n_bins)[used] / sizes[used]
    observed = np.bincount(bins, weights=truth, minlength=n_bins)[used] / sizes[used]
    points: Points = np.round(np.stack([means, observed], axis=1), DECIMALS).tolist()
    return points


def confusion_shares(truth: Ints, p: Floats) -> list[list[float]]:
    """Return (classes, classes) the share of each true class (row) that is called each class (column)."""
    n_classes = p.shape[1]
    table = np.bincount(truth * n_classes + p.argmax(axis=1), minlength=n_classes**2).reshape(n_classes, n_classes)
    shares: list[list[float]] = np.round(table / np.maximum(table.sum(axis=1, keepdims=True), 1), DECIMALS).tolist()
    return shares
