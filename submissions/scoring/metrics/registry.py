"""Every metric by name. To add one, register a function in a module of this package and name it in a kind.

A function for `@metric` takes truth (n,) and predictions (n,) or (n, classes). It returns a float, or None where the
metric is undefined on these predictions (it is then left out; NaN is an error). A function for `@resample_metric` takes
Resamples and returns one value per resample; this makes intervals cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from submissions.kinds import KINDS
from submissions.scoring.errors import MetricError
from submissions.scoring.resamples import Floats, Resamples, Sample

# Increase it when a metric would give an old submission a different value.
METRIC_VERSION = "1"
# The value of a missing score in comparisons: less than any other.
MISSING = float("-inf")
ALIASES = {"acc": "accuracy"}  # spelling of earlier systems

Plain = Callable[[Any, Any], float | None]
Counted = Callable[[Resamples], Floats]
# A sample → for each part that the metric averages, (n,) how many items of each case its value rests on.
Support = Callable[[Sample], list[Floats]]


@dataclass(frozen=True)
class Metric:
    """A named number. Exactly one of `plain` and `from_resamples` is set."""

    name: str
    title: str
    higher_is_better: bool
    plain: Plain | None = None
    from_resamples: Counted | None = None
    # Whether the metric may be undefined on some predictions (0/0): then left out instead of an error.
    may_be_undefined: bool = False
    # Whether a higher (or lower) value is always better, so that a board can be sorted by it.
    can_rank: bool = True
    # What is shown is clamped to it: a number without bounds could carry a label in each of its digits.
    shown_range: tuple[float, float] = (0.0, 1.0)
    # What a share, or a metric like one, is a share of; it then gets Wilson's interval.
    support: Support | None = None
    # The most that one case can add to a mean loss.
    worst: float | None = None
    # The sensitivity at which it is a specificity; it then gets the interval of a quantile of the positives.
    at_sensitivity: float | None = None

    def __reduce__(self) -> tuple[Callable[[str], Metric], tuple[str]]:
        """A metric is pickled as its name: its functions cannot be."""
        return registered, (self.name,)

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
        """Return (resamples,) values, NaN on each resample where the metric is undefined."""
        if self.from_resamples:
            return self.from_resamples(resamples)
        return np.array([self._of_one(resamples.sample, counts) for counts in resamples.counts])

    def _of_one(self, sample: Sample, counts: Floats) -> float:
        drawn = np.repeat(np.arange(sample.n), counts.astype(np.int64))
        value = self.value(Sample(sample.truth[drawn], sample.predictions[drawn]))
        return np.nan if value is None else value


METRICS: dict[str, Metric] = {}


def _add(metric: Metric) -> None:
    assert metric.name not in METRICS, f"two metrics are called {metric.name}"
    METRICS[metric.name] = metric


def metric(
    name: str,
    title: str,
    *,
    higher_is_better: bool = True,
    can_rank: bool = True,
    shown_range: tuple[float, float] = (0.0, 1.0),
    worst: float | None = None,
) -> Callable[[Plain], Plain]:
    """Register a function of (truth, predictions). shown_range: what is shown is clamped to it."""

    def register(function: Plain) -> Plain:
        _add(
            Metric(
                name, title, higher_is_better, plain=function, can_rank=can_rank, shown_range=shown_range, worst=worst
            )
        )
        return function

    return register


def resample_metric(
    name: str,
    title: str,
    *,
    higher_is_better: bool = True,
    may_be_undefined: bool = False,
    shown_range: tuple[float, float] = (0.0, 1.0),
    support: Support | None = None,
    worst: float | None = None,
    at_sensitivity: float | None = None,
) -> Callable[[Counted], Counted]:
    """Register a function of Resamples. shown_range: what is shown is clamped to it."""

    def register(function: Counted) -> Counted:
        _add(
            Metric(
                name, title, higher_is_better, from_resamples=function, may_be_undefined=may_be_undefined,
                shown_range=shown_range, support=support, worst=worst, at_sensitivity=at_sensitivity,
            )
        )  # fmt: skip
        return function

    return register


def metrics_of(kind: str) -> dict[str, Metric]:
    """Return the metrics that a kind names, in display order."""
    return {name: METRICS[name] for name in KINDS[kind].metrics}


def canonical_name(name: str) -> str:
    """Return a metric's name as METRICS spells it, from any case or an alias; an unknown name is only lower-cased."""
    if name in METRICS:
        return name
    return ALIASES.get(name.lower(), name.lower())


def registered(name: str) -> Metric:
    return METRICS[name]


def metric_named(name: str, kind: str) -> Metric:
    """Return a metric of a kind. Raises MetricError."""
    if name not in metrics_of(kind):
        raise MetricError(f"there is no metric {name} for {kind} phases")
    return METRICS[name]


def evaluate(kind: str, sample: Sample, names: Iterable[str]) -> dict[str, float]:
    """Return the values of the named metrics, without those undefined on this sample. Raises MetricError."""
    values = {name: metric_named(name, kind).value(sample) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _finite(name: str, value: float) -> float:
    if not np.isfinite(value):
        raise MetricError(f"metric {name} is not a finite number on this truth")
    return value
