"""Submit an image: one that arrived in one request, a resumable upload, or a reference to a registry."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.actions.reuse import earlier_image
from submissions.actions.submit import check_may_submit, submit, submit_or_drop, submitted_before
from submissions.faults import ParticipantError
from submissions.models import Phase, Submission
from submissions.models.upload import Upload
from submissions.phases.storage_budget import check_budget
from submissions.registry.reference import parse_reference
from submissions.runner.contracts import contracts_for
from submissions.storage.base import Stored
from submissions.teams.membership import team_for
from submissions.uploads.checks import check_digest

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from submissions.uploads.handler import ReceivedFile

DOCKER = Submission.Type.DOCKER


def submit_image(
    *, user: User, phase: Phase, image: ReceivedFile, received_at: datetime, sha256: str = "", **fields: Any
) -> Submission:
    """Submit an image received in one request; it is kept only if the submission is accepted.

    Raises ApiError, StorageError.
    """
    if earlier := submitted_before(user, phase, fields.get("idempotency_key", ""), image.sha256):
        return earlier
    _check_contract(phase, fields.get("contract", ""))
    check_may_submit(user=user, phase=phase, submission_type=DOCKER, now=received_at)
    check_digest(sha256, image.sha256)
    check_budget(user, team_for(user), image.size or 0)
    stored = image.keep()
    return submit_or_drop(**_submitted(user, phase, stored, image.original_name, received_at, fields))


def submit_upload(
    *, user: User, phase: Phase, upload: Upload | None, received_at: datetime, sha256: str = "", **fields: Any
) -> Submission:
    """Submit a completed upload, which is used up by this. Raises ApiError; the upload then stays.

    upload: None where there is none by the name that was given, as when its submission is sent again.
    """
    key = fields.get("idempotency_key", "")
    if earlier := submitted_before(user, phase, key, upload.sha256 if upload else ""):
        return earlier
    if upload is None:
        raise no_such_upload()
    if not upload.is_complete:
        raise ApiError(409, "UPLOAD_INCOMPLETE", "The upload is not complete; send its parts and complete it.")
    _check_contract(phase, fields.get("contract", ""))
    check_may_submit(user=user, phase=phase, submission_type=DOCKER, now=received_at)
    if upload.sha256:
        check_digest(sha256, upload.sha256)
    stored = Stored(upload.key, upload.sha256, upload.size_bytes)
    with transaction.atomic():
        if Upload.objects.filter(pk=upload.pk).delete()[0] == 0:
            if earlier := submitted_before(user, phase, key, upload.sha256):  # by a request beside this one
                return earlier
            raise no_such_upload()
        submission = submit(**_submitted(user, phase, stored, upload.original_name, received_at, fields))
        if submission.file != stored.key:
            transaction.set_rollback(True)  # another request with this key was faster; keep the upload
    return submission


def submit_reference(
    *, user: User, phase: Phase, image_reference: str, received_at: datetime, **fields: Any
) -> Submission:
    """Submit an image that is in a registry; a worker pulls it later. Raises ApiError."""
    try:
        reference = str(parse_reference(image_reference, settings.IMAGE_REGISTRIES))
    except ParticipantError as error:
        raise ApiError(400, error.code, error.note, field="image_reference") from error
    if earlier := submitted_before(user, phase, fields.get("idempotency_key", ""), "", reference):
        return earlier
    _check_contract(phase, fields.get("contract", ""))
    check_may_submit(user=user, phase=phase, submission_type=DOCKER, now=received_at)
    nothing_yet = Stored(key="", sha256="", size_bytes=0)
    submitted = _submitted(user, phase, nothing_yet, reference.partition("@")[0][:255], received_at, fields)
    return submit(image_reference=reference, **submitted)


def submit_again(
    *, user: User, phase: Phase, earlier_id: uuid.UUID, received_at: datetime, **fields: Any
) -> Submission:
    """Submit the image of an earlier submission of the team once more, with nothing sent. Raises ApiError."""
    earlier = earlier_image(user, earlier_id)
    key = fields.get("idempotency_key", "")
    if before := submitted_before(user, phase, key, earlier.sha256, earlier.image_reference):
        return before
    _check_contract(phase, fields.get("contract", ""))
    check_may_submit(user=user, phase=phase, submission_type=DOCKER, now=received_at)
    stored = Stored(earlier.file, earlier.sha256, earlier.size_bytes)
    submitted = _submitted(user, phase, stored, earlier.original_name, received_at, fields)
    submitted |= {"image_id": earlier.image_id, "image_reference": earlier.image_reference}
    return submit(file_of=earlier, **submitted)


def _check_contract(phase: Phase, contract: str) -> None:
    """Raise ApiError unless the phase's kind supports this contract; otherwise every such run would fail and count."""
    names = [served.name for served in contracts_for(phase.kind)]
    if contract and contract not in names:
        known = ", ".join(names)
        raise ApiError(400, "VALIDATION_ERROR", f"This phase's images have the contract {known}.", field="contract")


def no_such_upload() -> ApiError:
    return ApiError(400, "UPLOAD_NOT_FOUND", "There is no such upload, or it was submitted already.", field="upload")


def _submitted(
    user: User, phase: Phase, stored: Stored, original_name: str, received_at: datetime, fields: dict[str, Any]
) -> dict[str, Any]:
    """Return the model fields of an image submission; an empty field keeps the model's default."""
    sent = {"docker_image_name": original_name} | {name: value for name, value in fields.items() if value != ""}
    return {
        "user": user,
        "phase": phase,
        "submission_type": DOCKER,
        "stored": stored,
        "original_name": original_name,
        "received_at": received_at,
    } | sent
