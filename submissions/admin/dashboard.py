"""The status line at the top of the admin: is the queue moving, and does anything fail by our fault?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.utils import timezone

from submissions.actions.queue import CLUSTERS
from submissions.admin.lists.display import age
from submissions.failures import FAILURES
from submissions.models import Evaluation, Incident, Pause, Worker
from submissions.models.worker import seen_lately
from submissions.presenters.waiting import working_groups

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
    stopped: list[str]

    @property
    def oldest(self) -> str:
        return age(self.oldest_since) if self.oldest_since else ""


def queue_state() -> QueueState:
    """Read the queue's state with a fixed number of queries, whatever its size."""
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
    return QueueState(**evaluations, **workers, stopped=list(stopped()))


def stopped() -> Iterator[str]:
    """Yield what stands still, one sentence each: pauses, open incidents, queues that nobody works on."""
    for pause in Pause.objects.all():
        yield f"Stopped by {pause.by or 'staff'}: {pause.scope}. {pause.reason}".strip()
    for incident in Incident.objects.open():
        yield f"Away since {age(incident.opened_at)}: {incident}; {incident.waiting} attempts wait for it, uncounted."
    for submission_type, cluster in CLUSTERS.items():
        waiting = Evaluation.objects.waiting().filter(submission__submission_type=submission_type)
        if not working_groups(cluster) and (count := waiting.count()):
            yield f"No worker of the queue '{cluster}' takes work now; {count} wait."
