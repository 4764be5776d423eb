"""Sweep: recover lost work. Any worker may call it at any time; every transition is conditional."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models import Q
from django.utils import timezone

from submissions.actions.finish import requeue
from submissions.actions.queue import CLUSTERS, enqueue, messages_waiting
from submissions.models import Evaluation, StatusConflict

log = structlog.get_logger(__name__)
LOST_MESSAGE_AFTER = timedelta(seconds=60)


def sweep() -> tuple[int, int]:
    """Queue lost work again; return (attempts that lost their worker, waiting evaluations that lost their message)."""
    return _return_lost_attempts(), sum(_send_lost_messages(*cluster) for cluster in CLUSTERS.items())


def _return_lost_attempts() -> int:
    lost = 0
    for evaluation in Evaluation.objects.lease_expired().select_related("submission"):
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
        lost += 1
    return lost


def _send_lost_messages(submission_type: str, cluster: str) -> int:
    """Queue a message for each waiting evaluation without one: requeued just now, or lost together with a worker."""
    now = timezone.now()
    waiting = Evaluation.objects.waiting().filter(submission__submission_type=submission_type, available_at__lte=now)
    due = waiting.filter(enqueued_at=None)
    if messages_waiting(cluster) < waiting.count():
        due = waiting.filter(Q(enqueued_at=None) | Q(enqueued_at__lt=now - LOST_MESSAGE_AFTER))
    evaluations = list(due.select_related("submission"))
    for evaluation in evaluations:
        enqueue(evaluation)
    return len(evaluations)
