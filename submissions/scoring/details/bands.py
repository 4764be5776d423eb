"""The band of a precision-recall curve: where the precision lies at each recall."""

from __future__ import annotations

import numpy as np

from submissions.scoring.curves import DECIMALS, Points, most_points
from submissions.scoring.ranks import divide
from submissions.scoring.resamples import Floats, Ints, Sample
from submissions.scoring.roc_band import MAX_RATES, N_RESAMPLES
from submissions.scoring.share_interval import interval_of_share
from submissions.scoring.uncertainty import patient_resamples


def precision_band(sample: Sample, groups: Ints, seed: int, *, truth_is_public: bool = False) -> Points:
    """Return (recall, low, high) rows: 95 % for the precision at each recall by itself, from resamples of patients.

    Wilson's interval with the effective number of called cases, as `roc_band`. Empty with one class only.
    """
    n_positive = int((sample.truth == 1).sum())
    if not 0 < n_positive < sample.n:
        return []
    n_recalls = MAX_RATES if truth_is_public else min(MAX_RATES, most_points(sample.n))
    recalls = np.linspace(0, 1, n_recalls)[1:]
    drawn = np.concatenate(
        [
            precisions_at(sample, sample.usable(counts), recalls)
            for counts in patient_resamples(groups, seed, N_RESAMPLES)
        ]
    )
    values = precisions_at(sample, np.ones((1, sample.n)), recalls)[0]
    called = _called_at(sample, recalls)
    ends = [
        interval_of_share(float(value), [of_recall], of_resamples, groups)
        for value, of_recall, of_resamples in zip(values, called, drawn.T, strict=True)
    ]
    points: Points = np.round(np.column_stack([recalls, ends]), DECIMALS).tolist()
    return points


def precisions_at(sample: Sample, counts: Floats, recalls: Floats) -> Floats:
    """Return (resamples, recalls) the precision at the highest threshold whose recall is at least each one.

    counts: (resamples, n) how often each case was drawn. NaN in a resample without positives.
    """
    true, called = _cumulated(sample, counts)
    wanted = recalls[None, :] * true[:, -1:] - 1e-9
    at = (true[:, None, :] < wanted[:, :, None]).sum(axis=2).clip(max=true.shape[1] - 1)
    return divide(np.take_along_axis(true, at, axis=1), np.take_along_axis(called, at, axis=1))


def _cumulated(sample: Sample, counts: Floats) -> tuple[Floats, Floats]:
    """Return (resamples, thresholds) the true positives and the called cases at each threshold, from the highest."""
    order = np.argsort(-sample.predictions, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(sample.predictions[order])), sample.n - 1)
    drawn = counts[:, order]
    true = np.cumsum(drawn * (sample.truth[order] == 1), axis=1)
    return true[:, ends], np.cumsum(drawn, axis=1)[:, ends]


def _called_at(sample: Sample, recalls: Floats) -> list[Floats]:
    """Return, for each recall, (n,) 1.0 for each case that is called at its threshold."""
    positives = np.sort(sample.predictions[sample.truth == 1])[::-1]
    at = np.ceil(recalls * len(positives) - 1e-9).astype(int).clip(min=1) - 1
    return [(sample.predictions >= positives[place]).astype(np.float64) for place in at]
