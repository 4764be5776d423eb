"""Metrics that all hosts share, read from the database at a scrape: queue, evaluations, workers, feedback, drift.

No label contains a user, team or file name; workers are labelled by their queue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError
from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone
from django_q.models import Schedule
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from inference.drift import log as drift_log
from inference.models import Feedback
from lunasite.backup import JOB as BACKUP_JOB
from lunasite.monitoring.metrics.durations import Durations, run_times, wait_times
from submissions.actions.queue import CLUSTERS, messages_waiting
from submissions.database_clock import database_now
from submissions.failures import FAILURES
from submissions.mail import QUEUED_MAIL
from submissions.models import Evaluation, PeriodicJob, Worker
from submissions.queues import ERRANDS_CLUSTER

log = structlog.get_logger(__name__)

NOTHING: dict[str, Any] = {"n": 0, "oldest": None}


class DatabaseCollector(Collector):
    """Collector of these metrics; while the database is unavailable, it yields only `database_up 0`."""

    def collect(self) -> Iterator[Metric]:
        try:
            families = [family for read in READERS for family in read()]
        except DatabaseError as error:
            log.warning("no metrics from the database", error=type(error).__name__)
            families = []
        yield GaugeMetricFamily("database_up", "1 when the database answers.", float(bool(families)))
        yield from families


def queue() -> Iterator[Metric]:
    depth = GaugeMetricFamily("queue_depth", "Evaluations (or errands) waiting, by queue.", labels=["queue"])
    age = GaugeMetricFamily("queue_oldest_seconds", "Age of the oldest waiting evaluation.", labels=["queue"])
    by_type = Evaluation.objects.waiting().values("submission__submission_type").order_by()
    rows = by_type.annotate(n=Count("pk"), oldest=Min("created_at"))
    waiting = {row["submission__submission_type"]: row for row in rows}
    for kind, name in CLUSTERS.items():
        row = waiting.get(kind) or NOTHING
        depth.add_metric([name], row["n"])
        age.add_metric([name], seconds_since(row["oldest"]))
    depth.add_metric([ERRANDS_CLUSTER], messages_waiting(ERRANDS_CLUSTER))
    yield from (depth, age)


def evaluations() -> Iterator[Metric]:
    states = GaugeMetricFamily("evaluations", "Evaluations by state.", labels=["state"])
    counts = dict(Evaluation.objects.values_list("status").order_by().annotate(Count("pk")))
    for state in Evaluation.Status.values:
        states.add_metric([state], counts.get(state, 0))
    failures = GaugeMetricFamily("evaluation_failures", "Failed evaluations by failure code.", labels=["code"])
    failed = Evaluation.objects.filter(status=Evaluation.Status.FAILED)
    by_code = dict(failed.values_list("failure_code").order_by().annotate(Count("pk")))
    for code in FAILURES:
        failures.add_metric([code], by_code.get(code, 0))
    yield from (states, failures)


def leases() -> Iterator[Metric]:
    expired = Count("pk", filter=Q(status=Evaluation.Status.RUNNING, lease_until__lt=database_now()))
    counted = Evaluation.objects.aggregate(late=expired, lost=Sum("ever_failed_attempts"))
    yield GaugeMetricFamily("leases_expired", "Running evaluations whose lease has run out.", counted["late"])
    lost = counted["lost"] or 0
    yield CounterMetricFamily(
        "evaluation_failed_attempts", "Attempts lost by our fault, expired leases included.", lost
    )


def durations() -> Iterator[Metric]:
    yield histogram("evaluation_wait_seconds", "From creation to the start of the latest attempt.", wait_times())
    yield histogram("evaluation_run_seconds", "From the start of the latest attempt to its end.", run_times())


def workers() -> Iterator[Metric]:
    """Yield what workers reported, for every queue: a queue without workers has 0 of them and an infinite age."""
    number = GaugeMetricFamily("workers", "Workers that have reported within a day, by queue.", labels=["queue"])
    age = GaugeMetricFamily(
        "worker_heartbeat_age_seconds", "Since the newest worker of a queue reported.", labels=["queue"]
    )
    oldest = GaugeMetricFamily(
        "worker_heartbeat_age_max_seconds",
        "Since the most silent worker of a queue reported.",
        labels=["queue"],
    )
    free = GaugeMetricFamily("engine_free_bytes", "Free bytes of the fullest engine.", labels=["queue"])
    seen = Worker.objects.values("cluster").order_by()
    rows = {
        row["cluster"]: row
        for row in seen.annotate(
            n=Count("pk"), newest=Max("seen_at"), silent=Min("seen_at"), free=Min("engine_free_bytes")
        )
    }
    for name in (*CLUSTERS.values(), ERRANDS_CLUSTER):
        row = rows.get(name)
        number.add_metric([name], row["n"] if row else 0)
        age.add_metric([name], seconds_since(row["newest"]) if row else math.inf)
        oldest.add_metric([name], seconds_since(row["silent"]) if row else math.inf)
        if row and row["free"] is not None:
            free.add_metric([name], row["free"])
    yield from (number, age, oldest, free)


def mail() -> Iterator[Metric]:
    waiting = Schedule.objects.filter(func=QUEUED_MAIL).count()
    yield GaugeMetricFamily("mail_waiting", "Mails that the mail server refused so far; they are sent again.", waiting)


def backup() -> Iterator[Metric]:
    done_at = PeriodicJob.objects.filter(name=BACKUP_JOB).values_list("done_at", flat=True).first()
    age = seconds_since(done_at) if done_at else math.inf
    yield GaugeMetricFamily("backup_age_seconds", "Since the last complete backup; infinite without one.", age)


def feedback() -> Iterator[Metric]:
    is_wrong, is_waiting = Q(is_correct=False), Q(state=Feedback.State.WAITING)
    counts = Feedback.objects.aggregate(wrong=Count("pk", filter=is_wrong), waiting=Count("pk", filter=is_waiting))
    yield CounterMetricFamily("prediction_error", "Wrong predictions reported by feedback.", counts["wrong"])
    yield GaugeMetricFamily("feedback_waiting", "Feedback nobody has reviewed yet.", counts["waiting"])


def drift() -> Iterator[Metric]:
    """Yield the drift of recent pictures; only their number while they are too few to say anything."""
    report = drift_log.report()
    yield GaugeMetricFamily("drift_rows", "Classifications compared with the reference.", report.current_rows)
    share = GaugeMetricFamily("drift_share", "Share of columns that have drifted (0 to 1).", labels=[])
    psi = GaugeMetricFamily("drift_psi", "Population stability index, by column.", labels=["column"])
    if report.is_judged:
        share.add_metric([], report.share_drifted)
        for column in report.columns:
            psi.add_metric([column.column], column.psi)
    yield from (share, psi)


READERS: tuple[Callable[[], Iterator[Metric]], ...] = (
    queue,
    evaluations,
    leases,
    durations,
    workers,
    mail,
    backup,
    feedback,
    drift,
)


def histogram(name: str, text: str, durations: Durations) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, text, buckets=durations.buckets, sum_value=durations.sum_s)


def seconds_since(moment: datetime | None) -> float:
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0
