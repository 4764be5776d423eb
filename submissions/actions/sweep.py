"""Sweep: recover lost work. Any worker may call it at any time; transitions are conditional, batches bounded."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import QuerySet

from submissions.actions.finish import requeue
from submissions.actions.queue import (
    CLUSTERS,
    cluster_of,
    drop_stale_messages,
    messages_on_the_way,
    send_message,
    type_of,
)
from submissions.database_clock import database_now
from submissions.models import Evaluation, PeriodicJob, StatusConflict
from submissions.outages import incidents, pauses

log = structlog.get_logger(__name__)
BATCH = 500
SWEEP = "sweep"
# A longer gap between two sweeps means that the database, or all workers, were away: leases ran out unwatched.
UNWATCHED_AFTER = timedelta(seconds=30)


def sweep() -> tuple[int, int]:
    """Queue lost work again; return (attempts that lost their worker, messages sent for evaluations without one)."""
    lost = return_lost_attempts()
    sent = sum(send_missing_messages(cluster, lost[cluster]) for cluster in CLUSTERS.values())
    return sum(lost.values()), sent


def return_lost_attempts() -> Counter[str]:
    """Requeue attempts whose lease ran out, at most BATCH of them; return how many of each queue."""
    lost: Counter[str] = Counter()
    for evaluation in Evaluation.objects.lease_expired().select_related("submission")[:BATCH]:
        try:
            requeue(
                evaluation=evaluation,
                code="SYSTEM_WORKER_LOST",
                staff_detail=f"lease of {evaluation.worker} expired",
                wait=timedelta(0),
            )
        except StatusConflict:
            continue
        log.warning("lease expired", evaluation=evaluation.pk, attempt=evaluation.attempt)
        lost[cluster_of(evaluation)] += 1
    return lost


def grant_grace(now: datetime) -> bool:
    """Extend leases that ran out while nobody watched; return whether that was so.

    While the database is away no worker can extend a lease. Its worker goes on as if nothing had been; a lease that
    really lost its worker runs out again, one lease later.
    """
    last = PeriodicJob.objects.filter(name=SWEEP).values_list("done_at", flat=True).first()
    if last is None or now - last < UNWATCHED_AFTER:
        return False
    until = now + timedelta(seconds=settings.EVALUATION_LEASE_SECONDS)
    return Evaluation.objects.lease_expired().update(lease_until=until) > 0


def send_missing_messages(cluster: str, lost: int = 0) -> int:
    """Send as many messages as there are evaluations that may run, less those on the way; at most BATCH.

    lost: so many attempts of this queue lost their worker just now. A paused queue gets no message: its workers would
    drop it.
    """
    if pauses.is_closed(cluster):
        return 0
    now = database_now()
    drop_stale_messages(cluster, now)
    due = may_run(cluster, now)
    missing = due.count() - messages_on_the_way(cluster, now, lost)
    if missing <= 0:
        return 0
    evaluations = list(due.order_by("enqueued_at", "pk").values_list("pk", flat=True)[: min(missing, BATCH)])
    Evaluation.objects.filter(pk__in=evaluations).update(enqueued_at=now)
    for evaluation_id in evaluations:
        send_message(evaluation_id, cluster)
    return len(evaluations)


def may_run(cluster: str, now: datetime) -> QuerySet[Evaluation]:
    """Return the waiting evaluations of a queue that are due and whose dataset's files can be read."""
    due = Evaluation.objects.waiting().filter(submission__submission_type=type_of(cluster), available_at__lte=now)
    return due.exclude(submission__phase__dataset__in=incidents.datasets_away())
