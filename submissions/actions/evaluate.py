"""Evaluate one submission: claim the row, get predictions, score, finish. Every exit path records the true state."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from submissions.actions.finish import complete, fail, requeue
from submissions.actions.heartbeat import Heartbeat
from submissions.actions.submit import read_csv
from submissions.faults import ParticipantError, PlatformError
from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Evaluation, StatusConflict
from submissions.scoring import Outcome
from submissions.storage import files as storage
from submissions.storage.base import StorageError

log = structlog.get_logger(__name__)


def claim(evaluation_id: int, worker: str) -> Evaluation | None:
    """Claim a pending evaluation for `worker`; return None if it is taken, finished, cancelled or not due yet.

    The UPDATE is conditional on the attempt number that it raises, so only one of two workers gets it.
    """
    evaluation = Evaluation.objects.filter(pk=evaluation_id).select_related("submission__phase__dataset").first()
    if evaluation is None or evaluation.status != Evaluation.Status.PENDING:
        return None
    now = timezone.now()
    row = Evaluation.objects.filter(
        pk=evaluation_id, status=Evaluation.Status.PENDING, attempt=evaluation.attempt, available_at__lte=now
    )
    lease_until = now + timedelta(seconds=settings.EVALUATION_LEASE_SECONDS)
    taken = row.update(
        status=Evaluation.Status.RUNNING, attempt=F("attempt") + 1, worker=worker[:120], started_at=now,
        heartbeat_at=now, lease_until=lease_until, stage="started", answered=0, total=0,
    )  # fmt: skip
    if not taken:
        return None
    attempt = evaluation.attempt + 1
    evaluation.refresh_from_db()
    return evaluation if evaluation.attempt == attempt else None


class RunImage(Protocol):
    """Runs a submitted image. Raises ParticipantError, PlatformError, StatusConflict."""

    def __call__(self, evaluation: Evaluation, heartbeat: Heartbeat) -> Outcome: ...


def evaluate(*, evaluation_id: int, worker: str, run_image: RunImage | None = None) -> None:
    """Run one attempt at an evaluation. Never raises for faults of a submission or of our own parts.

    run_image: runs containers; None on a worker without an engine, which returns an image to the queue.
    """
    evaluation = claim(evaluation_id, worker)
    if evaluation is None:
        log.info("not mine", evaluation=evaluation_id)
        return
    structlog.contextvars.bind_contextvars(attempt=evaluation.attempt)
    evaluation.add_event("running", "A worker has started.", worker)
    try:
        with Heartbeat(evaluation) as heartbeat:
            complete(evaluation=evaluation, outcome=_outcome(evaluation, heartbeat, run_image))
    except StatusConflict as conflict:
        log.info("attempt lost", evaluation=evaluation_id, reason=str(conflict))
    except ParticipantError as fault:
        _decide(partial(fail, note=fault.note, stage=fault.stage), evaluation, fault.code, fault.staff_detail)
    except PlatformError as fault:
        _decide(requeue, evaluation, fault.code, f"{fault.note} {fault.staff_detail}".strip())
    except Exception as error:  # any other error is our fault: the row says so, and the try is given back
        log.exception("evaluation crashed", evaluation=evaluation_id)
        _decide(requeue, evaluation, "SYSTEM_ERROR", f"{type(error).__name__}: {error}")


class RecordFailure(Protocol):
    """A function that records a verdict: `fail` or `requeue`."""

    def __call__(self, *, evaluation: Evaluation, code: str, staff_detail: str) -> None: ...


def _decide(verdict: RecordFailure, evaluation: Evaluation, code: str, staff_detail: str) -> None:
    """Record a verdict, unless a cancel or another worker was faster."""
    evaluation.status = Evaluation.Status.RUNNING  # restore the status from before the rollback
    try:
        verdict(evaluation=evaluation, code=code, staff_detail=staff_detail)
    except StatusConflict as conflict:
        log.info("attempt lost", evaluation=evaluation.pk, reason=str(conflict))


def _outcome(evaluation: Evaluation, heartbeat: Heartbeat, run_image: RunImage | None) -> Outcome:
    if not evaluation.submission.is_docker:
        return _csv_outcome(evaluation)
    if run_image is None:
        raise PlatformError("SYSTEM_ENGINE", "this worker runs no containers")
    return run_image(evaluation, heartbeat)


def _csv_outcome(evaluation: Evaluation) -> Outcome:
    """Parse the stored CSV again, so that the file checked at upload is the file that is scored."""
    started = time.monotonic()
    submission = evaluation.submission
    data = storage.read_small(submission.file, settings.MAX_CSV_BYTES)
    if hashlib.sha256(data).hexdigest() != submission.sha256:
        raise StorageError(f"{submission.file} is not what was uploaded")
    try:
        table = read_csv(evaluation.submission.phase, data)
    except CsvProblems as problems:
        raise ParticipantError(problems.code, problems.note) from problems
    return Outcome(table.predictions, {"read_s": time.monotonic() - started})
