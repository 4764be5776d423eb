"""Science of the platform. PURE: values in, values out; no Django, no settings, no clock, no ORM."""

from __future__ import annotations

from .curves import curves
from .errors import MetricError
from .metrics import METRIC_VERSION, METRICS, MISSING, Metric, metrics_of
from .report import preferred_interval, score

__all__ = [
    "METRICS",
    "METRIC_VERSION",
    "MISSING",
    "Metric",
    "MetricError",
    "curves",
    "metrics_of",
    "preferred_interval",
    "score",
]
