"""Metrics that depend only on the order of the scores. All take counts and return one value per resample.

Ties count half (AUC) or share a point (ROC), as in scikit-learn. A resample of only one class gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .resamples import Floats, Ints, RankedCounts


def area_under_roc(ranked: RankedCounts) -> Floats:
    """Return (resamples,) the area under the ROC curve: P(positive > negative) + P(tie) / 2."""
    below = ranked.cumulative_negative[:, ranked.ranking.runs_below]
    up_to = ranked.cumulative_negative[:, ranked.ranking.runs_up_to]
    wins = np.einsum("bi,bi->b", ranked.positive, below + up_to) / 2
    return divide(wins, ranked.n_positive * ranked.n_negative)


def sensitivity_at_specificity(ranked: RankedCounts, specificity: float) -> Floats:
    """Return (resamples,) TPR at the last ROC point whose FPR ≤ 1 - specificity, without interpolation."""
    ranking, limit = ranked.ranking, 1 - specificity
    if not len(ranking.negatives):
        return np.full(len(ranked.counts), np.nan)
    # The curve runs from the highest score down. It exceeds the limit at the first negative from the top whose
    # cumulative count is too high; the scores above that negative give the last allowed point.
    most_below = _most_left_out(ranked.n_negative, limit, np.greater)
    last_bad = _last_at_most(ranked.cumulative_negative, most_below)
    up_to = np.append(ranking.positives_up_to_run, 0)[last_bad]  # -1: no negative exceeds the limit
    not_called = np.take_along_axis(ranked.cumulative_positive, up_to[:, None], axis=1)[:, 0]
    sensitivity = divide(ranked.n_positive - not_called, ranked.n_positive)
    return np.where(ranked.n_negative > 0, sensitivity, np.nan)


def specificity_at_sensitivity(ranked: RankedCounts, sensitivity: float) -> Floats:
    """Return (resamples,) 1 - FPR at the first ROC point whose TPR ≥ sensitivity."""
    ranking = ranked.ranking
    if not len(ranking.positives):
        return np.full(len(ranked.counts), np.nan)
    most_below = _most_left_out(ranked.n_positive, sensitivity, np.greater_equal)
    first_good = _last_at_most(ranked.cumulative_positive, most_below)
    below = ranking.runs_below[first_good]
    true_negatives = np.take_along_axis(ranked.cumulative_negative, below[:, None], axis=1)[:, 0]
    false_positive_rate = divide(ranked.n_negative - true_negatives, ranked.n_negative)
    return np.where(ranked.n_positive > 0, 1 - false_positive_rate, np.nan)


def _most_left_out(totals: Floats, share: float, is_enough: Callable[[Floats, float], NDArray[np.bool_]]) -> Floats:
    """Return (resamples,) the largest count c, at most total - 1, with (total - c) / total enough; -1 if none.

    Counts around the solution are tried, so that the result follows the float comparison exactly as written.
    """
    tried = np.floor(totals * (1 - share))[:, None] + np.arange(-2, 3)
    enough = is_enough(divide(totals[:, None] - tried, totals[:, None]), share) & (tried < totals[:, None])
    return np.where(enough, tried, -1).max(axis=1)


def _last_at_most(cumulative: Floats, limits: Floats) -> Ints:
    """Return (resamples,) the last case before which at most `limits` are counted, -1 if there is none."""
    rows = zip(cumulative[:, :-1], limits, strict=True)
    return np.array([np.searchsorted(row, limit, side="right") - 1 for row, limit in rows])


def average_precision(ranked: RankedCounts) -> Floats:
    """Return (resamples,) the mean over the positives of the precision at the score of each."""
    ranking = ranked.ranking
    true_positives = ranked.n_positive[:, None] - ranked.cumulative_positive[:, ranking.positives_below]
    false_positives = ranked.n_negative[:, None] - ranked.cumulative_negative[:, ranking.runs_below]
    called = true_positives + false_positives
    precision = np.divide(true_positives, called, out=np.zeros_like(called), where=called > 0)
    return divide(np.einsum("bi,bi->b", ranked.positive, precision), ranked.n_positive)


def divide(over: Floats, under: Floats) -> Floats:
    """Divide; NaN where the divisor is 0."""
    shape = np.broadcast_shapes(over.shape, under.shape)
    return np.divide(over, under, out=np.full(shape, np.nan), where=np.broadcast_to(under, shape) > 0)
