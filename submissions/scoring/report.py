"""Score one split: the numbers that an Evaluation stores and the API shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .delong import delong_interval
from .errors import MetricError
from .metrics import METRICS, evaluate, metrics_of
from .resamples import Sample
from .uncertainty import bootstrap, case_resamples, patient_groups, patient_resamples

# The most honest interval first: lesions of one patient are not independent.
PREFERRED_INTERVALS = ("patient", "luna25", "cases", "delong")


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

    `auc_ci` holds `luna25`, `delong` and, where cases have a patient, `patient`; other intervals hold `cases`
    (the same resamples) and `patient`. Raises MetricError.
    """
    sample = _checked(truth, predictions)
    names = list(metrics) if metrics is not None else list(metrics_of(kind))
    if ranking and ranking not in names:
        names.append(ranking)
    values = evaluate(kind, sample, names)
    if ranking and ranking not in values:
        raise MetricError(f"the metric that ranks, {ranking}, is undefined here")
    return {"n": sample.n} | values | _intervals(sample, values, ranking, patients, seed)


def preferred_interval(scores: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    """Return the interval to show beside a metric of the result of `score`, or None if it has none."""
    found = scores.get(f"{metric}_ci") or {}
    for name in PREFERRED_INTERVALS:
        if found.get(name):
            low, high = found[name]
            return float(low), float(high)
    return None


def _checked(truth: ArrayLike, predictions: ArrayLike) -> Sample:
    """Raise MetricError for input that cannot be scored: earlier checks should have refused it, so it is our fault."""
    sample = Sample(np.asarray(truth), np.asarray(predictions))
    if sample.n == 0 or len(sample.predictions) != sample.n:
        raise MetricError(f"{len(sample.predictions)} predictions for {sample.n} cases")
    if not sample.is_finite:
        raise MetricError("a prediction is missing or not finite")
    return sample


def _intervals(
    sample: Sample,
    values: Mapping[str, float],
    ranking: str | None,
    patients: Sequence[str] | None,
    seed: int,
) -> dict[str, dict[str, list[float]]]:
    metrics = [METRICS[name] for name in values if METRICS[name].from_resamples or name == ranking]
    found = {"cases": bootstrap(sample, metrics, case_resamples(sample.n))}
    if patients is not None and any(patients):
        found["patient"] = bootstrap(sample, metrics, patient_resamples(patient_groups(patients), seed))
    by_metric = {f"{metric.name}_ci": _of_metric(metric.name, found, sample) for metric in metrics}
    return {name: intervals for name, intervals in by_metric.items() if intervals}


def _of_metric(name: str, found: Mapping[str, Mapping[str, list[float]]], sample: Sample) -> dict[str, list[float]]:
    intervals = {way: by_name[name] for way, by_name in found.items() if name in by_name}
    if name == "auc":
        intervals = {"luna25" if way == "cases" else way: interval for way, interval in intervals.items()}
        delong = delong_interval(sample)
        intervals |= {"delong": delong} if delong else {}
    return intervals
