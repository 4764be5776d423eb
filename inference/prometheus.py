"""Prometheus counters of this process's predictions; /metrics adds up the processes of a host."""

from collections.abc import Iterable

from prometheus_client import Counter, Histogram

from inference.models import Prediction

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
MODEL_OF = {name: "lesion" if "lesion" in name else "slice" for name in Prediction.Endpoint.values}

PREDICTIONS = Counter(
    "predictions",
    "Calls of the prediction endpoints by model and HTTP status.",
    ["model", "endpoint", "status"],
)
PREDICTION_SECONDS = Histogram(
    "prediction_seconds", "Time to answer a prediction, by model.", ["model", "version"], buckets=SECONDS
)
PREDICTION_WARNINGS = Counter(
    "prediction_warnings", "Answers that carried a warning, by model and code.", ["model", "code"]
)


def observe_warnings(endpoint: str, codes: Iterable[str]) -> None:
    """Count one answer's warnings."""
    for code in codes:
        PREDICTION_WARNINGS.labels(MODEL_OF[endpoint], code).inc()


def observe(endpoint: str, status: int, seconds: float, version: str) -> None:
    """Count one call; only API calls count towards a model's latency, because pages also draw maps."""
    model = MODEL_OF[endpoint]
    PREDICTIONS.labels(model, endpoint, str(status)).inc()
    if status == 200 and not endpoint.startswith("try_"):
        PREDICTION_SECONDS.labels(model, version).observe(seconds)
