"""The status line at the top of the admin: is the queue moving, and does anything fail by our fault?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.utils import timezone

from submissions.admin.display import age
from submissions.failures import FAILURES
from submissions.models import Evaluation, Worker
from submissions.models.worker import seen_lately

Status = Evaluation.Status
OUR_CODES = [code for code, failure in FAILURES.items() if failure.is_ours]


@dataclass(frozen=True)
class QueueState:
    """Current counts. oldest_since: the time since which the longest-waiting evaluation could have been claimed."""

    waiting: int
    running: int
    oldest_since: datetime | None
    failed_ours: int
    failed_theirs: int
    workers_alive: int
    workers: int
    refusing: int

    @property
    def oldest(self) -> str:
        return age(self.oldest_since) if self.oldest_since else ""


def queue_state() -> QueueState:
    """Read the queue's state with two queries, whatever its size."""
    now = timezone.now()
    failed = Q(status=Status.FAILED, finished_at__gte=now - timedelta(hours=24))
    evaluations = Evaluation.objects.filter(Q(status__in=[Status.PENDING, Status.RUNNING]) | failed).aggregate(
        waiting=Count("pk", filter=Q(status=Status.PENDING)),
        running=Count("pk", filter=Q(status=Status.RUNNING)),
        oldest_since=Min("available_at", filter=Q(status=Status.PENDING, available_at__lte=now)),
        failed_ours=Count("pk", filter=failed & Q(failure_code__in=OUR_CODES)),
        failed_theirs=Count("pk", filter=failed & ~Q(failure_code__in=OUR_CODES)),
    )
    alive = seen_lately(now)
    workers = Worker.objects.aggregate(
        workers_alive=Count("pk", filter=alive),
        workers=Count("pk"),
        refusing=Count("pk", filter=alive & ~Q(refusal="")),
    )
    return QueueState(**evaluations, **workers)
