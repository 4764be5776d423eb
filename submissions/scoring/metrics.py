"""Every metric by name. A new one is a function here, a row in its test, a line in docs/metrics.md.

A function for `@metric` takes truth (n,) and predictions (n,) or (n, classes) and returns a float, or None
where the metric means nothing on these predictions (it is then left out; NaN is an error). One for `@resample_metric`
takes Resamples and returns one value a resample: it yields intervals at little cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from submissions.kinds import KINDS

from . import ranks
from .calibration import calibration_line, expected_calibration_error
from .errors import MetricError
from .resamples import Floats, Ints, Resamples, Sample

# Raise it when a number of an old submission would come out differently.
METRIC_VERSION = "1"
# What a score that is not there weighs wherever scores are compared: less than any.
MISSING = float("-inf")

# The kinds that ask for one probability a case, and those that ask for one a class.
BINARY = tuple(name for name, kind in KINDS.items() if len(kind.shape(1)) == 1)
CLASSES = tuple(name for name in KINDS if name not in BINARY)

Plain = Callable[[Ints, Floats], float | None]
Counted = Callable[[Resamples], Floats]


@dataclass(frozen=True)
class Metric:
    """A named number. Exactly one of `plain` and `from_resamples` is set."""

    name: str
    title: str
    kinds: tuple[str, ...]
    higher_is_better: bool
    plain: Plain | None = None
    from_resamples: Counted | None = None
    # Where no value is wrong but one is impossible (0/0): left out instead of an error.
    may_be_undefined: bool = False
    # Whether more (or less) is simply better, so that a board can be sorted by it.
    can_rank: bool = True

    @property
    def direction(self) -> str:
        return "higher" if self.higher_is_better else "lower"

    def value(self, sample: Sample) -> float | None:
        """Return the metric, or None where it is undefined. Raises MetricError."""
        try:
            value = self.plain(sample.truth, sample.predictions) if self.plain else self._count_once(sample)
        except MetricError:
            raise
        except Exception as error:
            raise MetricError(f"metric {self.name} failed: {type(error).__name__}: {error}") from error
        if value is None or (self.may_be_undefined and np.isnan(value)):
            return None
        return _finite(self.name, float(value))

    def _count_once(self, sample: Sample) -> float:
        assert self.from_resamples is not None
        return float(self.from_resamples(sample.once)[0])

    def over(self, resamples: Resamples) -> Floats:
        """Return (resamples,) values, NaN where the metric is undefined on one."""
        if self.from_resamples:
            return self.from_resamples(resamples)
        return np.array([self._of_one(resamples.sample, counts) for counts in resamples.counts])

    def _of_one(self, sample: Sample, counts: Floats) -> float:
        drawn = np.repeat(np.arange(sample.n), counts.astype(np.int64))
        value = self.value(Sample(sample.truth[drawn], sample.predictions[drawn]))
        return np.nan if value is None else value


METRICS: dict[str, Metric] = {}


def metric(
    name: str,
    title: str,
    kinds: tuple[str, ...] = BINARY,
    *,
    higher_is_better: bool = True,
    can_rank: bool = True,
) -> Callable[[Plain], Plain]:
    """Register a function of (truth, predictions)."""

    def register(function: Plain) -> Plain:
        METRICS[name] = Metric(name, title, kinds, higher_is_better, plain=function, can_rank=can_rank)
        return function

    return register


def resample_metric(
    name: str,
    title: str,
    kinds: tuple[str, ...] = BINARY,
    *,
    higher_is_better: bool = True,
    may_be_undefined: bool = False,
) -> Callable[[Counted], Counted]:
    """Register a function of Resamples."""

    def register(function: Counted) -> Counted:
        METRICS[name] = Metric(
            name, title, kinds, higher_is_better, from_resamples=function, may_be_undefined=may_be_undefined
        )
        return function

    return register


def metrics_of(kind: str) -> dict[str, Metric]:
    """Return the metrics that fit a kind, in the order they are shown."""
    return {name: found for name, found in METRICS.items() if kind in found.kinds}


def metric_named(name: str, kind: str) -> Metric:
    """Return a metric of a kind. Raises MetricError."""
    if name not in metrics_of(kind):
        raise MetricError(f"there is no metric {name} for {kind} phases")
    return METRICS[name]


def evaluate(kind: str, sample: Sample, names: Iterable[str]) -> dict[str, float]:
    """Return the values of the named metrics, those undefined on this sample left out. Raises MetricError."""
    values = {name: metric_named(name, kind).value(sample) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _finite(name: str, value: float) -> float:
    if not np.isfinite(value):
        raise MetricError(f"metric {name} is not a finite number on this truth")
    return value


# One probability: order of the scores.


@resample_metric("auc", "AUC")
def auc(resamples: Resamples) -> Floats:
    """Return (resamples,) the area under the ROC curve, ties counting half (Hanley and McNeil 1982)."""
    return ranks.area_under_roc(resamples.ranked)


@resample_metric("sensitivity_at_95_specificity", "Sensitivity at 95 % specificity")
def sensitivity_at_95_specificity(resamples: Resamples) -> Floats:
    """Return (resamples,) the sensitivity at 95 % specificity, as LUNA25's evaluation reads it off the ROC curve."""
    return ranks.sensitivity_at_specificity(resamples.ranked, 0.95)


@resample_metric("specificity_at_95_sensitivity", "Specificity at 95 % sensitivity")
def specificity_at_95_sensitivity(resamples: Resamples) -> Floats:
    """Return (resamples,) the specificity at 95 % sensitivity, as LUNA25's evaluation reads it off the ROC curve."""
    return ranks.specificity_at_sensitivity(resamples.ranked, 0.95)


@resample_metric("average_precision", "Average precision")
def average_precision(resamples: Resamples) -> Floats:
    """Return (resamples,) Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds, as scikit-learn does: no interpolation."""
    return ranks.average_precision(resamples.ranked)


# One probability: how far it is off.


@resample_metric("brier", "Brier score", higher_is_better=False)
def brier(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean of (p − truth)² (Brier 1950)."""
    sample = resamples.sample
    return resamples.sums((sample.predictions - sample.truth) ** 2) / resamples.totals


@metric("ece", "Expected calibration error", higher_is_better=False)
def ece(truth: Ints, p: Floats) -> float:
    """Return the expected calibration error over ten bins of equal mass. truth, p: (n,)."""
    return expected_calibration_error(truth, p)


@metric("calibration_slope", "Calibration slope", can_rank=False)
def calibration_slope(truth: Ints, p: Floats) -> float | None:
    """Return the slope of the truth's logistic regression on logit(p) (Cox 1958), 1 is ideal. truth, p: (n,)."""
    line = calibration_line(truth, p)
    return line[0] if line else None


@metric("calibration_intercept", "Calibration intercept", can_rank=False)
def calibration_intercept(truth: Ints, p: Floats) -> float | None:
    """Return the intercept of the same regression, 0 is ideal. truth, p: (n,)."""
    line = calibration_line(truth, p)
    return line[1] if line else None


# Either.


@resample_metric("log_loss", "Log loss", BINARY + CLASSES, higher_is_better=False)
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


@resample_metric("accuracy", "Accuracy", BINARY + CLASSES)
def accuracy(resamples: Resamples) -> Floats:
    """Return (resamples,) the share of cases called right: at p ≥ 0.5, or by the likeliest class."""
    sample = resamples.sample
    return resamples.sums((sample.truth == sample.predicted).astype(np.float64)) / resamples.totals


# One probability: at p ≥ 0.5. Where nothing is called positive, precision and F1 are 0, as in scikit-learn.


def _ratio_or_zero(over: Floats, under: Floats) -> Floats:
    return np.nan_to_num(ranks.divide(over, under), nan=0.0)


@resample_metric("precision", "Precision")
def precision(resamples: Resamples) -> Floats:
    """Return (resamples,) TP / (TP + FP), 0 where nothing is called positive."""
    both, false_alarm, _, _ = resamples.confusion(1)
    return _ratio_or_zero(both, both + false_alarm)


@resample_metric("recall", "Recall")
def recall(resamples: Resamples) -> Floats:
    """Return (resamples,) TP / (TP + FN), the sensitivity; 0 where nothing is positive."""
    both, _, missed, _ = resamples.confusion(1)
    return _ratio_or_zero(both, both + missed)


@resample_metric("specificity", "Specificity", may_be_undefined=True)
def specificity(resamples: Resamples) -> Floats:
    """Return (resamples,) TN / (TN + FP), NaN where nothing is negative."""
    _, false_alarm, _, neither = resamples.confusion(1)
    return ranks.divide(neither, neither + false_alarm)


@resample_metric("f1", "F1")
def f1(resamples: Resamples) -> Floats:
    """Return (resamples,) 2 TP / (2 TP + FP + FN) of the positive class (van Rijsbergen 1979)."""
    return f1_of_class(resamples, 1)


def f1_of_class(resamples: Resamples, k: int) -> Floats:
    """Return (resamples,) F1 of class number `k` against the rest; 0 where it neither occurs nor is called."""
    both, false_alarm, missed, _ = resamples.confusion(k)
    return _ratio_or_zero(2 * both, 2 * both + false_alarm + missed)


# A probability a class.


@resample_metric("macro_f1", "Macro F1", CLASSES)
def macro_f1(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean F1 over the classes that occur in the truth or are called, as scikit-learn does."""
    each = [resamples.confusion(k) for k in range(resamples.sample.predictions.shape[1])]
    scores = np.stack([_ratio_or_zero(2 * tp, 2 * tp + fp + fn) for tp, fp, fn, _ in each])
    occurs = np.stack([tp + fp + fn > 0 for tp, fp, fn, _ in each])
    return scores.sum(axis=0) / occurs.sum(axis=0)


@resample_metric("macro_auc_ovr", "Macro AUC (one against the rest)", CLASSES, may_be_undefined=True)
def macro_auc_ovr(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean AUC of one class against the rest (Provost and Domingos 2001, unweighted).

    A class without positives or without negatives is left out; NaN where all are.
    """
    areas = np.stack([ranks.area_under_roc(ranked) for ranked in resamples.class_ranked])
    defined = ~np.isnan(areas)
    return ranks.divide(np.nan_to_num(areas).sum(axis=0), defined.sum(axis=0).astype(np.float64))


def _register_class_f1(k: int, name: str, kinds: tuple[str, ...]) -> None:
    resample_metric(f"f1_{name}", f"F1 {name.replace('_', ' ')}", kinds)(lambda resamples: f1_of_class(resamples, k))


for _kind in CLASSES:
    for _number, _name in enumerate(KINDS[_kind].class_names):
        assert f"f1_{_name}" not in METRICS, f"two kinds have a class {_name}: name one of them otherwise"
        _register_class_f1(_number, _name, (_kind,))
