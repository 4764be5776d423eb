"""Histograms of evaluations' waiting and run times, counted by the database."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from submissions.models import Evaluation

SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


@dataclass(frozen=True)
class Durations:
    """A histogram. buckets: (upper bound as text, count at or below it) in Prometheus' format, `+Inf` last."""

    buckets: list[tuple[str, int]]
    sum_s: float


def wait_times() -> Durations:
    """Return the time from an evaluation's creation to the start of its latest attempt."""
    return _durations(Evaluation.objects.filter(started_at__isnull=False), "created_at", "started_at")


def run_times() -> Durations:
    """Return the time from the start of the latest attempt to the end."""
    finished = Evaluation.objects.filter(started_at__isnull=False, finished_at__isnull=False)
    return _durations(finished, "started_at", "finished_at")


def _durations(rows: QuerySet[Evaluation], start: str, end: str) -> Durations:
    length = ExpressionWrapper(F(end) - F(start), output_field=DurationField())
    counts = {f"within_{bound}": Count("pk", filter=Q(length__lte=timedelta(seconds=bound))) for bound in SECONDS}
    total = Coalesce(Sum("length"), timedelta(0), output_field=DurationField())
    figures = rows.annotate(length=length).aggregate(all=Count("pk"), total=total, **counts)
    buckets = [(str(float(bound)), figures[f"within_{bound}"]) for bound in SECONDS]
    return Durations([*buckets, ("+Inf", figures["all"])], max(0.0, figures["total"].total_seconds()))
