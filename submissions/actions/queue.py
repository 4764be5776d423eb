"""The messages to workers. A message only says "there is work"; the rows decide (rule R9).

A worker that takes a message runs the evaluation whose turn it is (`actions.fair_order`), not the one that the message
names. So it matters only that there are as many messages as evaluations that may run: `sweep` makes up for lost ones.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage
from django_q.tasks import async_task

from submissions.actions.order.fair_order import place_in_queue
from submissions.database_clock import database_now
from submissions.models import Evaluation, Submission
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER

__all__ = [
    "CLUSTERS",
    "CSV_CLUSTER",
    "DOCKER_CLUSTER",
    "cluster_of",
    "drop_stale_messages",
    "enqueue",
    "messages_on_the_way",
    "messages_waiting",
    "place_in_queue",
    "type_of",
]  # fmt: skip

# The queues of evaluations.
CLUSTERS: dict[str, str] = {Submission.Type.CSV: CSV_CLUSTER, Submission.Type.DOCKER: DOCKER_CLUSTER}
TASK = "submissions.tasks.evaluate"
# Longer than a worker needs from taking a message to claiming an evaluation.
LOST_MESSAGE_AFTER = timedelta(seconds=60)
STALE_BATCH = 200


def cluster_of(evaluation: Evaluation) -> str:
    return CLUSTERS[evaluation.submission.submission_type]


def type_of(cluster: str) -> str:
    return next(submission_type for submission_type, name in CLUSTERS.items() if name == cluster)


def enqueue(evaluation: Evaluation) -> None:
    """Queue a message in the database itself, so that it commits or rolls back with the row."""
    Evaluation.objects.filter(pk=evaluation.pk).update(enqueued_at=timezone.now())
    send_message(evaluation.pk, cluster_of(evaluation))


def send_message(evaluation_id: int, cluster: str) -> None:
    async_task(TASK, evaluation_id, cluster=cluster)


def messages_waiting(cluster: str) -> int:
    """Count the messages that no worker has taken: a taken message has a lock time in the future."""
    return OrmQ.objects.filter(key=cluster, lock__lte=database_now()).count()


def messages_taken(cluster: str) -> int:
    """Count the messages that a worker has taken and not finished."""
    return OrmQ.objects.filter(key=cluster, lock__gt=database_now()).count()


def messages_on_the_way(cluster: str, now: datetime, lost: int = 0) -> int:
    """Count the messages that can still make a worker claim something: free ones, and those taken just now.

    lost: so many of the latter were taken by workers that are gone.
    """
    free = OrmQ.objects.filter(key=cluster, lock__lte=now).count()
    taken = OrmQ.objects.filter(key=cluster, lock__gt=_taken_at(now) + _lock_time()).count()
    return free + max(0, taken - lost)


def drop_stale_messages(cluster: str, now: datetime) -> None:
    """Delete messages that were taken a while ago: their worker runs an evaluation by now, or was lost.

    Messages of other tasks (mail) stay, and are delivered again when their lock runs out.
    """
    stale = OrmQ.objects.filter(key=cluster, lock__gt=now, lock__lte=_taken_at(now) + _lock_time())
    gone = [message.pk for message in stale.order_by("pk")[:STALE_BATCH] if is_ours(message)]
    OrmQ.objects.filter(pk__in=gone).delete()


def take_message(cluster: str) -> None:
    """Delete one free message, for a worker that takes work without one."""
    for message in OrmQ.objects.filter(key=cluster, lock__lte=database_now()).order_by("pk")[:10]:
        if is_ours(message) and OrmQ.objects.filter(pk=message.pk, lock=message.lock).delete()[0]:
            return


def is_ours(message: OrmQ) -> bool:
    try:
        return bool(SignedPackage.loads(message.payload)["func"] == TASK)
    except (BadSignature, KeyError, TypeError):
        return False


def _taken_at(now: datetime) -> datetime:
    return now - LOST_MESSAGE_AFTER


def _lock_time() -> timedelta:
    return timedelta(seconds=Conf.RETRY)
