"""Score one split: the numbers that an Evaluation stores and the API shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .delong import auc_interval, delong_interval
from .errors import MetricError
from .metrics import METRICS, Metric, evaluate, metrics_of
from .quantile_interval import specificity_interval
from .resamples import Floats, Ints, Sample
from .share_interval import border_interval, loss_interval, share_interval
from .uncertainty import (
    Interval,
    case_resamples,
    patient_groups,
    patient_resamples,
    percentile_intervals,
    values_over,
)

# The one whose coverage is known first (docs/metrics.md), then those that respect that lesions of a patient are alike.
PREFERRED_INTERVALS = (
    "logit",
    "newcombe",
    "wilson",
    "quantile",
    "loss",
    "exact",
    "patient",
    "luna25",
    "cases",
    "delong",
)
# Of a score whose method is not told.
SHOWN_INTERVAL = "shown"
INTERVAL_TITLES = {
    "logit": "logit scale, variance by patient",
    "newcombe": "Newcombe's method 5, for few cases",
    "wilson": "Wilson's score interval, by patient",
    "quantile": "quantile of the positives, by patient",
    "loss": "log scale, by patient",
    "exact": "exact, at the end of the scale",
    "patient": "bootstrap over patients",
    "luna25": "LUNA25's bootstrap over cases",
    "cases": "bootstrap over cases",
    "delong": "DeLong",
    SHOWN_INTERVAL: "",
}
# A split with fewer cases of a class is marked: its intervals are wide, and rest on assumptions more than on cases.
FEW_CASES = 10


def score(
    kind: str,
    truth: ArrayLike,
    predictions: ArrayLike,
    patients: Sequence[str] | None = None,
    metrics: Iterable[str] | None = None,
    seed: int = 0,
    *,
    ranking: str | None = None,
) -> dict[str, Any]:
    """Return the scores of one split as JSON values: `n`, the value of each metric, and `<metric>_ci`.

    kind: name of a kind. truth, predictions: as returned by the kind's `truths` and `gather`, in the dataset's order.
    patients: the patient of each case, or None. metrics: names, default all metrics of the kind.
    seed: of the bootstrap over patients. ranking: the ranking metric; it must be defined, and gets intervals even if
    they
    are slow to compute.

    `is_small` is True where a class has fewer than ten cases, and else left out. `auc_ci` holds `logit` or `newcombe`,
    LUNA25's own interval as `luna25`, `delong` and, where cases have a patient, `patient`; other intervals hold `cases`
    (the same resamples as `luna25`), `patient`, and `wilson`, `quantile`, `loss` or `exact` where they have one. Raises
    MetricError.
    """
    sample = _checked(truth, predictions)
    names = list(metrics) if metrics is not None else list(metrics_of(kind))
    if ranking and ranking not in names:
        names.append(ranking)
    values = evaluate(kind, sample, names)
    if ranking and ranking not in values:
        raise MetricError(f"the metric that ranks, {ranking}, is undefined here")
    small = {"is_small": True} if _is_small(sample) else {}
    return {"n": sample.n} | small | values | _intervals(sample, values, ranking, patients, seed)


def preferred_interval(scores: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    """Return the interval to show beside a metric of the result of `score`, or None if it has none."""
    found = scores.get(f"{metric}_ci") or {}
    method = preferred_method(found)
    return (float(found[method][0]), float(found[method][1])) if method else None


def preferred_method(intervals: Mapping[str, Any]) -> str:
    """Return the name of the interval to show of a metric's intervals by name; empty if it has none."""
    return next((name for name in (*PREFERRED_INTERVALS, SHOWN_INTERVAL) if intervals.get(name)), "")


def _checked(truth: ArrayLike, predictions: ArrayLike) -> Sample:
    """Raise MetricError for input that cannot be scored: earlier checks should have refused it, so it is our fault."""
    sample = Sample(np.asarray(truth), np.asarray(predictions))
    if sample.n == 0 or len(sample.predictions) != sample.n:
        raise MetricError(f"{len(sample.predictions)} predictions for {sample.n} cases")
    if not sample.is_finite:
        raise MetricError("a prediction is missing or not finite")
    return sample


def _is_small(sample: Sample) -> bool:
    """Return whether fewer than ten cases are of some class, or hold the findings to detect."""
    if not sample.has_classes:
        return sum(len(truth["nodules"]) for truth in sample.truth) < FEW_CASES
    n_classes = 2 if sample.predictions.ndim == 1 else sample.predictions.shape[1]
    return bool(np.bincount(sample.truth, minlength=n_classes).min() < FEW_CASES)


def _intervals(
    sample: Sample,
    values: Mapping[str, float],
    ranking: str | None,
    patients: Sequence[str] | None,
    seed: int,
) -> dict[str, dict[str, Interval]]:
    metrics = [METRICS[name] for name in values if METRICS[name].from_resamples or name == ranking]
    drawn = {"cases": values_over(sample, metrics, case_resamples(sample.n))}
    groups = np.arange(sample.n)
    if patients is not None and any(patients):
        groups = patient_groups(patients)
        drawn["patient"] = values_over(sample, metrics, patient_resamples(groups, seed))
    found = {way: percentile_intervals(by_name) for way, by_name in drawn.items()}
    independent = drawn.get("patient", drawn["cases"])
    by_metric = {}
    for metric in metrics:
        resampled = {way: by_name[metric.name] for way, by_name in found.items() if metric.name in by_name}
        computed = _computed(metric, values[metric.name], sample, independent[metric.name], groups)
        by_metric[f"{metric.name}_ci"] = _as_stored(metric, resampled, computed)
    return {name: intervals for name, intervals in by_metric.items() if intervals}


def _computed(metric: Metric, value: float, sample: Sample, drawn: Floats, groups: Ints) -> dict[str, Interval]:
    """Return the intervals of a metric that are no percentiles of resamples."""
    if metric.name == "auc":
        named, delong = auc_interval(sample, groups), delong_interval(sample)
        return ({named[0]: named[1]} if named else {}) | ({"delong": delong} if delong else {})
    found = {
        "wilson": share_interval(metric, value, sample, drawn, groups),
        "loss": loss_interval(metric, value, drawn, groups),
        "exact": border_interval(metric, value, groups),
    }
    if metric.at_sensitivity is not None:
        found["quantile"] = specificity_interval(sample, groups, value, metric.at_sensitivity)
    return {name: interval for name, interval in found.items() if interval}


def _as_stored(metric: Metric, resampled: dict[str, Interval], computed: dict[str, Interval]) -> dict[str, Interval]:
    """Return all intervals of a metric; where one has a width, those of zero width go, but for LUNA25's own."""
    if metric.name == "auc":
        resampled = {"luna25" if way == "cases" else way: interval for way, interval in resampled.items()}
    intervals = computed | resampled
    if any(high > low for low, high in computed.values()):
        intervals = {way: ends for way, ends in intervals.items() if ends[1] > ends[0] or way == "luna25"}
    return intervals
