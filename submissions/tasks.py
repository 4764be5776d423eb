"""Names that django-q2 calls; each fetches one row and calls an action."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.mail import mail_admins

from submissions import actions
from submissions.models import Evaluation


def worker_name() -> str:
    """Return the name of the worker group this process belongs to, as `manage.py work` set it."""
    return os.environ.get("LUNASITE_WORKER", settings.WORKER_NAME)


def evaluate(evaluation_id: int) -> None:
    actions.evaluate(evaluation_id=evaluation_id, worker=f"{worker_name()}:{os.getpid()}")


def alert_staff(evaluation_id: int) -> None:
    """Mail the admins about a failure that is ours."""
    evaluation = Evaluation.objects.get(pk=evaluation_id)
    link = f"{settings.SITE_URL}/admin/submissions/evaluation/{evaluation.pk}/change/"
    mail_admins(f"Evaluation {evaluation.pk} failed: {evaluation.failure_code}", f"Whose fault: ours.\n{link}\n")
