"""Curves for drawing: few points for the cases there are, rounded, so that a picture is no list of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from submissions.kinds import KINDS

from .calibration import quantile_bins
from .resamples import Floats, Ints, Ranking

MAX_POINTS = 101
# A point a case would tell every label to whoever gives each case a score of its own.
CASES_A_POINT = 5
DECIMALS = 3
RELIABILITY_BINS = 10

Points = list[list[float]]


def curves(kind: str, truth: ArrayLike, predictions: ArrayLike) -> dict[str, Any]:
    """Return JSON of the curves of one split. Points are [x, y] in [0, 1], at most 101 a curve and one for 5 cases.

    kind: its name. truth: (n,) class numbers. predictions: (n,) gives `roc` (FPR, TPR), `pr` (recall, precision)
    and `reliability` (mean p, observed share) of ten bins of equal mass; (n, classes) gives `roc` by class, and
    `confusion`, rows the truth, each row's shares.
    """
    y, p = np.asarray(truth, dtype=np.int64), np.asarray(predictions, dtype=np.float64)
    return _binary_curves(y, p) if p.ndim == 1 else _class_curves(y, p, KINDS[kind].class_names)


def _binary_curves(truth: Ints, p: Floats) -> dict[str, Any]:
    return {
        "roc": roc_points(truth == 1, p),
        "pr": precision_recall_points(truth == 1, p),
        "reliability": reliability_points(truth, p),
    }


def _class_curves(truth: Ints, p: Floats, class_names: Sequence[str]) -> dict[str, Any]:
    by_class = {name: roc_points(truth == k, p[:, k]) for k, name in enumerate(class_names)}
    return {"roc": by_class, "confusion": confusion_shares(truth, p), "classes": list(class_names)}


def most_points(n_cases: int) -> int:
    """Return how many points a curve over so many cases may have."""
    return min(MAX_POINTS, max(2, n_cases // CASES_A_POINT))


def roc_points(is_positive: np.ndarray[Any, np.dtype[np.bool_]], p: Floats) -> Points:
    """Return (FPR, TPR) points from (0, 0) to (1, 1); none if there is one class only."""
    fps, tps = _called_from_the_top(is_positive, p)
    if fps[-1] == 0 or tps[-1] == 0:
        return []
    return _drawn(fps / fps[-1], tps / tps[-1], most_points(len(p)))


def precision_recall_points(is_positive: np.ndarray[Any, np.dtype[np.bool_]], p: Floats) -> Points:
    """Return (recall, precision) points, recall rising; none without positives."""
    fps, tps = _called_from_the_top(is_positive, p)
    if tps[-1] == 0:
        return []
    return _drawn(tps[1:] / tps[-1], tps[1:] / (tps + fps)[1:], most_points(len(p)))


def _called_from_the_top(is_positive: np.ndarray[Any, np.dtype[np.bool_]], p: Floats) -> tuple[Ints, Ints]:
    """Return (false, true) positives at every distinct threshold from the highest, led by (0, 0)."""
    ranking = Ranking(is_positive, p)
    thresholds = np.unique(p)[::-1]
    tps = len(ranking.positives) - np.searchsorted(ranking.positives, thresholds, side="left")
    fps = len(ranking.negatives) - np.searchsorted(ranking.negatives, thresholds, side="left")
    return np.append(0, fps), np.append(0, tps)


def _drawn(x: Floats, y: Floats, most: int) -> Points:
    """Return at most `most` of the points, spread evenly along the curve, ends kept."""
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], most)
    kept = np.unique(np.searchsorted(along, wanted - 1e-12).clip(0, len(x) - 1))
    kept = np.union1d(kept, [0, len(x) - 1])[-most:]
    points = np.round(np.stack([x[kept], y[kept]], axis=1), DECIMALS)
    return [point for i, point in enumerate(points.tolist()) if i == 0 or point != points[i - 1].tolist()]


def reliability_points(truth: Ints, p: Floats) -> Points:
    """Return (mean p, observed share) of ten bins of equal mass; fewer where scores tie or cases are few."""
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
