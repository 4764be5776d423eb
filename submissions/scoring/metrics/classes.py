"""Metrics that use one probability per class."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from submissions.kinds import KINDS, Kind
from submissions.scoring import ranks
from submissions.scoring.resamples import Floats, Resamples

from . import support
from .decisions import f1_of_class, ratio_or_zero
from .registry import resample_metric


@resample_metric("macro_f1", "Macro F1", support=support.each_class)
def macro_f1(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean F1 over the classes that occur in the truth or are called, as in scikit-learn."""
    each = [resamples.confusion(k) for k in range(resamples.sample.predictions.shape[1])]
    scores = np.stack([ratio_or_zero(2 * tp, 2 * tp + fp + fn) for tp, fp, fn, _ in each])
    occurs = np.stack([tp + fp + fn > 0 for tp, fp, fn, _ in each])
    return scores.sum(axis=0) / occurs.sum(axis=0)


@resample_metric("macro_auc_ovr", "Macro AUC (one against the rest)", may_be_undefined=True, support=support.each_class)
def macro_auc_ovr(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean AUC of one class against the rest (Provost and Domingos 2001, unweighted).

    A class without positives or without negatives is left out; NaN where all are.
    """
    areas = np.stack([ranks.area_under_roc(ranked) for ranked in resamples.class_ranked])
    defined = ~np.isnan(areas)
    return ranks.divide(np.nan_to_num(areas).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _register_class_f1(k: int, name: str) -> None:
    resample_metric(
        f"f1_{name}", f"F1 {name.replace('_', ' ')}", support=lambda sample: support.of_or_called_class(sample, k)
    )(lambda resamples: f1_of_class(resamples, k))


def class_numbers(kinds: Iterable[Kind]) -> dict[str, int]:
    """Return the number of each class with an F1 metric of its own; kinds may share classes, under the same numbers."""
    numbers: dict[str, int] = {}
    for kind in kinds:
        for number, name in enumerate(kind.class_names):
            if f"f1_{name}" in kind.metrics:
                known = numbers.setdefault(name, number)
                assert known == number, f"class {name} is number {known} of one kind and {number} of {kind.name}"
    return numbers


for _name, _number in class_numbers(KINDS.values()).items():
    _register_class_f1(_number, _name)
