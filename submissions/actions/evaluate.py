"""Evaluate one submission: claim the row, get predictions, score, finish. Every exit path records the true state."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F

from submissions.actions.db_retry import retry_when_away
from submissions.actions.finish import complete, fail
from submissions.actions.heartbeat import Heartbeat
from submissions.actions.order.fair_order import mark_served
from submissions.actions.platform_faults import settle_database_fault, settle_platform_fault
from submissions.actions.submit import read_csv
from submissions.database_clock import database_now
from submissions.faults import ParticipantError, PlatformError
from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Evaluation, StatusConflict
from submissions.outages import gate, hosts
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
    now = database_now()
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
    if evaluation.attempt != attempt:
        return None
    mark_served(evaluation, now)
    return evaluation


class RunImage(Protocol):
    """Runs a submitted image. Raises ParticipantError, PlatformError, StatusConflict."""

    def __call__(self, evaluation: Evaluation, heartbeat: Heartbeat) -> Outcome: ...


def evaluate(*, evaluation_id: int, worker: str, run_image: RunImage | None = None) -> bool:
    """Claim an evaluation and run one attempt at it; return whether it was ours to run.

    Never raises for faults of a submission or of our own parts.
    run_image: runs containers; None on a worker without an engine, which returns an image to the queue.
    """
    evaluation = claim(evaluation_id, worker)
    if evaluation is None:
        log.info("not mine", evaluation=evaluation_id)
        return False
    run_attempt(evaluation, run_image)
    return True


def run_attempt(evaluation: Evaluation, run_image: RunImage | None = None) -> None:
    """Run the attempt that was claimed; otherwise as `evaluate`."""
    structlog.contextvars.bind_contextvars(attempt=evaluation.attempt)
    evaluation.add_event("running", "A worker has started.", evaluation.worker)
    try:
        with Heartbeat(evaluation) as heartbeat:
            outcome = _outcome(evaluation, heartbeat, run_image)
            complete(evaluation=evaluation, outcome=outcome, still_wanted=lambda: not _is_ending(heartbeat))
            hosts.record_success(hosts.this_host())
    except StatusConflict as conflict:
        log.info("attempt lost", evaluation=evaluation.pk, reason=str(conflict))
    except ParticipantError as fault:
        verdict = partial(fail, code=fault.code, note=fault.note, staff_detail=fault.staff_detail, stage=fault.stage)
        _decide(evaluation, verdict)
    except PlatformError as fault:
        _decide(evaluation, partial(settle_platform_fault, fault=fault))
    except (OperationalError, InterfaceError) as error:
        log.warning("database away", evaluation=evaluation.pk, error=type(error).__name__)
        _decide(evaluation, partial(settle_database_fault, staff_detail=f"database: {type(error).__name__}"))
    except Exception as error:  # any other error is our fault: the row says so, and the try is given back
        log.exception("evaluation crashed", evaluation=evaluation.pk)
        crash = PlatformError("SYSTEM_ERROR", f"{type(error).__name__}: {error}")
        _decide(evaluation, partial(settle_platform_fault, fault=crash))


def _is_ending(heartbeat: Heartbeat) -> bool:
    return heartbeat.is_lost or gate.is_stopping()


class Verdict(Protocol):
    """A function that records how an attempt ended: `fail`, `settle_platform_fault`, `settle_database_fault`."""

    def __call__(self, *, evaluation: Evaluation) -> None: ...


def _decide(evaluation: Evaluation, verdict: Verdict) -> None:
    """Record a verdict, unless a cancel or another worker was faster; wait for the database where it is away."""

    def record() -> None:
        evaluation.status = Evaluation.Status.RUNNING  # restore the status from before the rollback
        verdict(evaluation=evaluation)

    try:
        retry_when_away(record, still_wanted=lambda: not gate.is_stopping())
    except StatusConflict as conflict:
        log.info("attempt lost", evaluation=evaluation.pk, reason=str(conflict))
    except (OperationalError, InterfaceError):
        log.warning("database stays away; the lease will run out", evaluation=evaluation.pk)


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
    return Outcome(table.predictions, {"read_s": time.monotonic() - started}, table.samples)
