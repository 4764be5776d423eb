"""Submit: checks, one transaction with the quota under a lock, and the message that wakes a worker."""

from __future__ import annotations

import uuid
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import IntegrityError, transaction

from lunasite.http.tracing import current_traceparent
from submissions.actions.db_retry import retry_on_deadlock
from submissions.actions.free_files import free_surplus
from submissions.actions.queue import enqueue
from submissions.database_clock import database_now
from submissions.intake.csv.predictions import PredictionTable, read_predictions
from submissions.models import Evaluation, Phase, Submission, Team
from submissions.participation.checks import check_takes_part, check_team
from submissions.phases import errors as phase_errors
from submissions.phases import quota
from submissions.phases.storage_budget import check_budget
from submissions.storage import files as storage
from submissions.storage.base import Stored
from submissions.teams.membership import team_for
from submissions.text.sanitize import sanitize_filename

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.core.files.uploadedfile import UploadedFile

log = structlog.get_logger(__name__)


def check_may_submit(*, user: User, phase: Phase, submission_type: str, now: datetime) -> None:
    """Raise ApiError when `user` may not submit to `phase` at `now`; called before any byte is stored."""
    if not phase.is_open(now):
        raise phase_errors.phase_closed(phase.opens_at, now)
    if not (phase.accepts_csv if submission_type == Submission.Type.CSV else phase.accepts_docker):
        raise phase_errors.type_not_accepted(submission_type)
    if settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory" and not has_verified_email(user):
        raise phase_errors.email_not_verified()
    check_takes_part(phase, user)
    check_team(phase, team_for(user), user)
    _check_quota(phase, team_for(user), user, now)
    if submission_type == Submission.Type.DOCKER and quota.trials_failed(team_for(user), user, now) >= trials_a_day():
        raise phase_errors.trials_exceeded(trials_a_day())


def trials_a_day() -> int:
    return int(settings.EVALUATION_TRIALS_PER_DAY)


def has_verified_email(user: User) -> bool:
    return EmailAddress.objects.filter(user=user, verified=True).exists()


def _check_quota(phase: Phase, team: Team, user: User, now: datetime) -> None:
    used_up = quota.first_used_up(quota.allowances(phase, team, user, now))
    if used_up:
        raise phase_errors.quota_exceeded(used_up, now)


def read_csv(phase: Phase, data: bytes) -> PredictionTable:
    """Return the predictions of a CSV, in the order of the phase's counted cases. Raises CsvProblems."""
    samples = phase.sample_ids()
    return read_predictions(data, phase.kind, phase.case_ids(), sample_ids=samples, max_bytes=settings.MAX_CSV_BYTES)


def submit_csv(
    *, user: User, phase: Phase, file: UploadedFile[Any], received_at: datetime, **fields: Any
) -> Submission:
    """Check a CSV of predictions and submit it.

    Raises ApiError when the user may not submit, CsvProblems when the file cannot be scored; neither costs a try.
    """
    data = file.read(settings.MAX_CSV_BYTES + 1)
    if earlier := submitted_before(user, phase, fields.get("idempotency_key", ""), sha256(data).hexdigest()):
        return earlier
    check_may_submit(user=user, phase=phase, submission_type=Submission.Type.CSV, now=received_at)
    check_budget(user, team_for(user), len(data))
    table = read_csv(phase, data)
    stored = storage.stream_in(storage.new_key("predictions.csv"), [data])
    return submit_or_drop(
        user=user, phase=phase, submission_type=Submission.Type.CSV, stored=stored,
        original_name=sanitize_filename(file.name or "predictions.csv"), received_at=received_at,
        ignored_columns=list(table.ignored_columns), **fields,
    )  # fmt: skip


def submit_or_drop(*, stored: Stored, **submitted: Any) -> Submission:
    """Submit a file that was stored just now; delete the file if no submission uses it in the end."""
    try:
        submission = submit(stored=stored, **submitted)
    except BaseException:
        storage.delete(stored.key)
        raise
    if submission.file != stored.key:  # another request with the same key was faster
        storage.delete(stored.key)
    return submission


def submitted_before(
    user: User, phase: Phase, idempotency_key: str, file_sha256: str, image_reference: str = ""
) -> Submission | None:
    """Return the submission that the same idempotency key created before, so that a double click submits once.

    file_sha256: "" where it is not known. image_reference: of an image in a registry, whose digest is known later.
    Raises ApiError when the key was used with another file or phase, or before the user changed teams.
    """
    if not idempotency_key:
        return None
    earlier = Submission.objects.filter(user=user, idempotency_key=idempotency_key).first()
    if earlier is None:
        return None
    is_other_file = image_reference != earlier.image_reference
    if not image_reference and file_sha256 and earlier.sha256:
        is_other_file |= file_sha256 != earlier.sha256
    is_out_of_sight = not Submission.objects.visible_to(user).filter(pk=earlier.pk).exists()
    if is_other_file or is_out_of_sight or earlier.phase_id != phase.pk:  # type: ignore[attr-defined]
        raise phase_errors.key_used()
    return earlier


def submit(
    *,
    user: User,
    phase: Phase,
    submission_type: str,
    stored: Stored,
    original_name: str,
    received_at: datetime,
    file_of: Submission | None = None,
    **fields: Any,
) -> Submission:
    """Record a submission and its first evaluation, and queue the message to a worker, in one transaction.

    stored: the file, already in the submissions storage. original_name: the user's own name for it. file_of: the
    submission whose file it is, where nothing was sent.
    Raises ApiError when the quota is used up; the caller then deletes the stored file.
    """
    team = team_for(user)

    @transaction.atomic
    def record() -> Submission:
        mine = Team.objects.select_for_update(of=("self",)).filter(pk=team.pk, memberships__user=user)
        if mine.first() is None:
            raise phase_errors.team_left()
        check_team(phase, team, user)
        _check_quota(phase, team, user, received_at)
        _check_still_there(file_of, stored)
        submission = Submission.objects.create(
            phase=phase, team=team, user=user, submission_type=submission_type, file=stored.key,
            original_name=original_name, sha256=stored.sha256, size_bytes=stored.size_bytes,
            limits=phase.limits().as_dict(), created_at=received_at, **fields,
        )  # fmt: skip
        start_evaluation(submission)
        _check_not_frozen(phase)
        return submission

    try:
        submission = retry_on_deadlock(record)
    except IntegrityError:
        key, reference = fields.get("idempotency_key", ""), fields.get("image_reference", "")
        if earlier := submitted_before(user, phase, key, stored.sha256, reference):
            return earlier
        raise
    free_surplus(team)
    return submission


def _check_still_there(file_of: Submission | None, stored: Stored) -> None:
    """Raise ApiError where the file was deleted to make room since it was read; call under the team's lock."""
    if file_of and stored.key and not Submission.objects.filter(pk=file_of.pk, file=stored.key).exists():
        raise phase_errors.image_deleted()


def _check_not_frozen(phase: Phase) -> None:
    """Raise ApiError where the final board was frozen while a file that began to arrive in time was still coming.

    Call after the rows were written: from then on `freeze_board` waits for this transaction, and finds them.
    """
    if Phase.objects.filter(pk=phase.pk, frozen_at__isnull=False).exists():
        raise phase_errors.board_frozen()


def start_evaluation(submission: Submission) -> Evaluation:
    """Add a pending evaluation with a frozen copy of its scoring rules; call inside a transaction."""
    evaluation = submission.evaluations.create(
        dataset_hash=submission.phase.dataset.content_hash,
        code_version=settings.CODE_VERSION,
        seed=uuid.uuid4().int % 2**31,
        traceparent=current_traceparent(),
        available_at=database_now(),
    )
    log.info("evaluation queued", submission=str(submission.pk), evaluation=evaluation.pk)
    evaluation.add_event("received", "Received and checked." if not submission.is_docker else "Received.")
    enqueue(evaluation)
    return evaluation
