"""Scoring: metrics, intervals and curves. Framework-free: values in, values out; no Django, settings, clock or ORM."""

from __future__ import annotations

from .curves import CURVES, CurveAxes, curves
from .errors import MetricError
from .metrics import METRIC_VERSION, METRICS, MISSING, Metric, canonical_name, metrics_of
from .outcome import Outcome
from .report import INTERVAL_TITLES, SHOWN_INTERVAL, preferred_interval, preferred_method, score

__all__ = [
    "CURVES",
    "INTERVAL_TITLES",
    "METRICS",
    "METRIC_VERSION",
    "MISSING",
    "SHOWN_INTERVAL",
    "CurveAxes",
    "Metric",
    "MetricError",
    "Outcome",
    "canonical_name",
    "curves",
    "metrics_of",
    "preferred_interval",
    "preferred_method",
    "score",
]
