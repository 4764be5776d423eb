"""The functions that django-q2 calls by name; each loads one row and calls an action."""

from __future__ import annotations

import os
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db.models import QuerySet

from lunasite.http.tracing import continued, span
from submissions import actions
from submissions.actions.heartbeat import Heartbeat
from submissions.mail import send_or_retry
from submissions.models import Evaluation
from submissions.scoring import Outcome


def worker_name() -> str:
    """Return the name of the worker group this process belongs to, as `manage.py work` set it."""
    return os.environ.get("LUNASITE_WORKER", settings.WORKER_NAME)


def evaluate(evaluation_id: int) -> None:
    """Evaluate under the trace of the request that sent it; every log line names submission and evaluation."""
    found = Evaluation.objects.filter(pk=evaluation_id).values_list("submission_id", "traceparent").first()
    submission, traceparent = found or ("", "")
    named: dict[str, str | int] = {"submission": str(submission), "evaluation": evaluation_id}
    with (
        structlog.contextvars.bound_contextvars(**named),
        continued(traceparent),
        span("evaluate", **named),
    ):
        actions.evaluate(evaluation_id=evaluation_id, worker=f"{worker_name()}:{os.getpid()}", run_image=run_image)


def run_image(evaluation: Evaluation, heartbeat: Heartbeat) -> Outcome:
    """Run a submitted image on this host's engine."""
    # Imported here: only a worker that runs containers needs the engine's client.
    from submissions.worker.container_evaluation import run_containers

    return run_containers(evaluation, heartbeat)


def to_alert() -> QuerySet[Any]:
    """Return the staff who may look at every evaluation: whom the link in the mail serves."""
    by_model = "django.contrib.auth.backends.ModelBackend"
    users: Any = get_user_model().objects
    everywhere = users.with_perm("submissions.all_phases", backend=by_model)
    able = users.with_perm("submissions.view_evaluation", backend=by_model)
    found: QuerySet[Any] = users.filter(pk__in=everywhere.values("pk")).filter(pk__in=able.values("pk"), is_staff=True)
    return found


def alert_staff(evaluation_id: int) -> None:
    """Mail all staff accounts that have an address about a failure of ours: only where to look."""
    evaluation = Evaluation.objects.filter(pk=evaluation_id).first()
    staff = to_alert().exclude(email="")
    if evaluation is None:
        return
    subject = f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}Evaluation {evaluation.pk} failed: {evaluation.failure_code}"
    link = f"{settings.SITE_URL}/admin/submissions/evaluation/{evaluation.pk}/change/"
    body = f"It failed by our fault; the try was given back.\n{link}\n"
    recipients = sorted(set(staff.values_list("email", flat=True)))
    send_or_retry(EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, recipients))
