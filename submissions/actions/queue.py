"""The messages to workers. A message only says "look at evaluation N"; the row decides (rule R9)."""

from __future__ import annotations

from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

from submissions.models import Evaluation, Submission

# The queue names that django-q2's settings and `manage.py work` use.
CSV_CLUSTER = "evaluations"
DOCKER_CLUSTER = "containers"
# Images have their own workers, so that a night of containers never delays a CSV.
CLUSTERS: dict[str, str] = {Submission.Type.CSV: CSV_CLUSTER, Submission.Type.DOCKER: DOCKER_CLUSTER}


def cluster_of(evaluation: Evaluation) -> str:
    return CLUSTERS[evaluation.submission.submission_type]


def enqueue(evaluation: Evaluation) -> None:
    """Queue a message in the database itself, so that it commits or rolls back with the row."""
    Evaluation.objects.filter(pk=evaluation.pk).update(enqueued_at=timezone.now())
    async_task("submissions.tasks.evaluate", evaluation.pk, cluster=cluster_of(evaluation))


def messages_waiting(cluster: str) -> int:
    """Count the messages that no worker has taken: a taken message has a lock time in the future."""
    return OrmQ.objects.filter(key=cluster, lock__lte=timezone.now()).count()


def place_in_queue(evaluation: Evaluation) -> int:
    """Return the evaluation's place in the queue of its cluster; 1 is next."""
    ahead = Evaluation.objects.waiting().filter(
        pk__lt=evaluation.pk, submission__submission_type=evaluation.submission.submission_type
    )
    return ahead.count() + 1
