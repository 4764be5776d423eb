"""The metrics: each module here registers its own, and every module of this package is loaded."""

from __future__ import annotations

import importlib
import pkgutil

from .registry import (
    METRIC_VERSION,
    METRICS,
    MISSING,
    Metric,
    canonical_name,
    evaluate,
    metric,
    metric_named,
    metrics_of,
    resample_metric,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "METRICS",
    "METRIC_VERSION",
    "MISSING",
    "Metric",
    "canonical_name",
    "evaluate",
    "metric",
    "metric_named",
    "metrics_of",
    "resample_metric",
]
