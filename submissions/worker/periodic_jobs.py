"""The periodic jobs that all workers share: each is run by one of them when it is due, in bounded batches."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import InterfaceError, OperationalError

from submissions import actions
from submissions.actions.free_files import free_due_files
from submissions.actions.sweep import SWEEP, grant_grace
from submissions.database_clock import database_now
from submissions.models import Host, Incident, PeriodicJob, Worker
from submissions.notices.closing import remind_of_closing
from submissions.organise.imports.run import sweep_imports
from submissions.uploads.resumable import drop_expired

log = structlog.get_logger(__name__)
SWEEP_EVERY_S = 20.0


def run_due_jobs(stopping: threading.Event) -> None:
    """Run the jobs that are due, stopping between two of them when the worker ends.

    One that fails keeps no other from running. Raises the error of a database that is away.
    """
    for job in JOBS:
        if stopping.is_set():
            return
        try:
            job()
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("a periodic job failed", job=job.__name__)


def sweep_if_due() -> None:
    grant_grace(database_now())
    if PeriodicJob.acquire(SWEEP, min(SWEEP_EVERY_S, settings.EVALUATION_LEASE_SECONDS)):
        actions.sweep()


def drop_uploads_if_due() -> None:
    if PeriodicJob.acquire("expired uploads", 600):
        drop_expired()


def sweep_imports_if_due() -> None:
    if PeriodicJob.acquire("imports", 60):
        sweep_imports()


def free_files_if_due() -> None:
    if PeriodicJob.acquire("idle files", 3600):
        free_due_files()


def remind_if_due() -> None:
    if PeriodicJob.acquire("closing reminders", 300):
        remind_of_closing()


def prune_if_due() -> None:
    if PeriodicJob.acquire("prune", 86_400):
        call_command("prune", verbosity=0)


def forget_if_due() -> None:
    """Forget workers and hosts that have been silent for a day, and incidents of half a year ago."""
    if not PeriodicJob.acquire("forget workers", 3600):
        return
    now = database_now()
    Worker.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()
    Host.objects.filter(seen_at__lt=now - timedelta(days=1), quarantined_at=None).delete()
    Incident.objects.filter(closed_at__lt=now - timedelta(days=180)).delete()
    PeriodicJob.objects.filter(name__startswith="probe incident", done_at__lt=now - timedelta(days=1)).delete()


JOBS = (
    actions.reopen, sweep_if_due, drop_uploads_if_due, sweep_imports_if_due, free_files_if_due, remind_if_due,
    prune_if_due, forget_if_due,
)  # fmt: skip
