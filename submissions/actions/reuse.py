"""What a team has sent before and names again: an image of an earlier submission, a model archive."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.models import ModelArchive, Phase, Submission, Upload
from submissions.models.team import team_of
from submissions.phases import errors as phase_errors
from submissions.storage import files as storage
from submissions.teams.membership import team_for

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from submissions.uploads.handler import ReceivedFile


def earlier_image(user: User, submission_id: uuid.UUID) -> Submission:
    """Return the team's submission whose image is to be run again. Raises ApiError(IMAGE_NOT_FOUND)."""
    found = Submission.objects.filter(pk=submission_id, submission_type=Submission.Type.DOCKER)
    submission = found.filter(team__memberships__user=user).first()
    if submission is not None and submission.file_deleted_at and not submission.file:
        raise phase_errors.image_deleted()
    if submission is None or not (submission.file or submission.image_reference):
        message = "Your team has sent no image with this id; give the id of one of its submissions."
        raise ApiError(400, "IMAGE_NOT_FOUND", message, field="image")
    return submission


def same_file_before(user: User, phase: Phase, sha256: str) -> Submission | None:
    """Return the newest submission of the user's team to the phase with exactly this file that cost a try, else None.

    sha256: "" where it is not known yet, as of an image on an object store: then nothing is found.
    """
    team = team_of(user)
    if team is None or not sha256:
        return None
    # Whoever cures a failed trial may send the same file with other fields; its try was given back.
    return Submission.objects.filter(phase=phase, team=team, sha256=sha256, try_counts=True).first()


@contextlib.contextmanager
def model_archive_of(
    user: User, *, archive_id: uuid.UUID | None, received: ReceivedFile | None, now: datetime
) -> Iterator[ModelArchive | None]:
    """Give the model archive to be combined with an image: one named by its id, one sent in the same request, or None.

    Unless the block submits it, one that was sent is deleted again, and one that was an upload is the upload again,
    which expires. Raises ApiError, StorageError.
    """
    if received is not None and archive_id is not None:
        message = "Send the model archive as a file, or name the id of one that was sent; not both."
        raise ApiError(400, "VALIDATION_ERROR", message, field="model_archive")
    archive, upload = None, None
    if received is not None:
        archive = _sent_model_archive(user, received, now)
    elif archive_id is not None:
        archive, upload = _named_model_archive(user, archive_id, now)
    try:
        yield archive
    finally:
        if archive is not None and (received or upload) and not archive.submissions.exists():
            _undo(archive, upload)


def _undo(archive: ModelArchive, upload: Upload | None) -> None:
    """Take an archive back that no submission has: into the upload that it was, or for good."""
    with transaction.atomic():
        archive.delete()
        if upload is not None:
            upload.save(force_insert=True)
    if upload is None:
        storage.delete(archive.file)


def _sent_model_archive(user: User, received: ReceivedFile, now: datetime) -> ModelArchive:
    team = team_for(user)
    stored = received.keep()
    return ModelArchive.objects.create(
        team=team, user=user, file=stored.key, original_name=received.original_name,
        sha256=stored.sha256, size_bytes=stored.size_bytes, created_at=now,
    )  # fmt: skip


def _named_model_archive(user: User, archive_id: uuid.UUID, now: datetime) -> tuple[ModelArchive, Upload | None]:
    """Return the team's model archive of this id; or make one of a completed upload, which it uses up, with the upload.

    Raises ApiError: MODEL_ARCHIVE_NOT_FOUND, UPLOAD_INCOMPLETE.
    """
    team = team_for(user)
    with transaction.atomic():
        kept = ModelArchive.objects.filter(pk=archive_id, team=team).first()
        upload = Upload.objects.visible_to(user).filter(pk=archive_id, purpose=Upload.Purpose.MODEL).first()
        if kept or upload is None:
            return kept or _not_found(), None
        if not upload.is_complete:
            raise ApiError(409, "UPLOAD_INCOMPLETE", "The model archive is not complete; send its parts, complete it.")
        if Upload.objects.filter(pk=upload.pk).delete()[0] == 0:
            _not_found()
        archive = ModelArchive.objects.create(
            pk=upload.pk, team=team, user=user, file=upload.key, original_name=upload.original_name,
            sha256=upload.sha256, size_bytes=upload.size_bytes, created_at=now,
        )  # fmt: skip
    return archive, upload


def _not_found() -> Any:
    message = "Your team has no model archive with this id; send the .tar.gz itself, or the id of an upload of it."
    raise ApiError(400, "MODEL_ARCHIVE_NOT_FOUND", message, field="model_archive")
