"""The functions that django-q2 calls by name; each loads one row and calls an action."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db.models import QuerySet

from submissions import actions
from submissions.actions.heartbeat import Heartbeat
from submissions.mail import queue_mail
from submissions.models import Evaluation, Incident
from submissions.notices import evaluations as evaluation_notices
from submissions.notices import news as news_notices
from submissions.outages.probes import cases_problem
from submissions.scoring import Outcome


def worker_name() -> str:
    """Return the name of the worker group this process belongs to, as `manage.py work` set it."""
    return os.environ.get("LUNASITE_WORKER", settings.WORKER_NAME)


def evaluate(evaluation_id: int) -> None:
    """Run the evaluation whose turn it is in the queue of the named one."""
    actions.work_on_message(
        evaluation_id=evaluation_id, worker=f"{worker_name()}:{os.getpid()}", run_image=run_image,
        probes=engine_probes, room=host_room,
    )  # fmt: skip


def import_dataset(import_id: str) -> None:
    """Import the dataset whose turn it is; the message only says that one waits."""
    from submissions.organise.imports.run import run_next_import  # SimpleITK's readers are needed only here

    run_next_import()


def run_image(evaluation: Evaluation, heartbeat: Heartbeat) -> Outcome:
    """Run a submitted image on this host's engine."""
    # Imported here: only a worker that runs containers needs the engine's client.
    from submissions.worker.container_evaluation import run_containers

    return run_containers(evaluation, heartbeat)


def engine_probes(cluster: str) -> list[actions.Probe]:
    """Return what a host that takes work of `cluster` is probed for, beside what every host is."""
    if cluster != actions.DOCKER_CLUSTER:
        return []
    from submissions.worker.engine_host import engine_problem

    return [cases_problem, engine_problem]


def host_room(evaluation_ids: list[int]) -> AbstractContextManager[Iterable[int]]:
    """Give those of the evaluations that this host has room for; it is held for one of them meanwhile.

    CSVs need none beyond their process, and jobs of a cluster none of this host.
    """
    if settings.EVALUATION_ENGINE == "slurm":
        return nullcontext(evaluation_ids)
    first = Evaluation.objects.filter(pk=evaluation_ids[0]).select_related("submission").first()
    if first is None or not first.submission.is_docker:
        return nullcontext(evaluation_ids)
    from submissions.worker.host_room import room_for

    return room_for(evaluation_ids)


def tell_of_evaluation(evaluation_id: int) -> None:
    """Tell the team how an evaluation ended: message, mail, webhooks."""
    evaluation_notices.tell_of_evaluation(evaluation_id)


def tell_of_news(post_id: int) -> None:
    """Tell those who take part in a challenge of its news: message, mail, webhooks."""
    news_notices.tell_of_news(post_id)


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
    if evaluation is None:
        return
    link = f"{settings.SITE_URL}/admin/submissions/evaluation/{evaluation.pk}/change/"
    body = f"It failed by our fault; the try was given back. More of the same are not mailed within the hour.\n{link}\n"
    _mail_staff(f"Evaluation {evaluation.pk} failed: {evaluation.failure_code}", body)


def alert_incident(incident_id: int) -> None:
    """Mail staff once about a part that is away: only where to look."""
    incident = Incident.objects.filter(pk=incident_id).first()
    if incident is None:
        return
    link = f"{settings.SITE_URL}/admin/submissions/incident/{incident.pk}/change/"
    state = "It answers again." if incident.closed_at else "What needs it waits, uncounted, and goes on by itself."
    _mail_staff(f"Away: {incident}", f"{incident}: since {incident.opened_at:%Y-%m-%d %H:%M} UTC. {state}\n{link}\n")


def _mail_staff(subject: str, body: str) -> None:
    staff = to_alert().exclude(email="")
    recipients = sorted(set(staff.values_list("email", flat=True)))
    subject = f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{subject}"
    queue_mail(EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, recipients))
