"""Add a data file, and withdraw one."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.models import DataFile
from submissions.models.audit import record
from submissions.models.challenges.challenge import Challenge
from submissions.storage.base import Stored


def add_data_file(*, challenge: Challenge, user: Any, stored: Stored, name: str, **fields: Any) -> DataFile:
    """Return the new file. Raises ApiError (409) for a version that there is: what was cited does not change."""
    try:
        with transaction.atomic():
            file = DataFile.objects.create(
                challenge=challenge, added_by=user, name=name, key=stored.key, sha256=stored.sha256,
                size_bytes=stored.size_bytes, **fields,
            )  # fmt: skip
            record(user, "add data file", file, note=f"{file.size_bytes} bytes, sha256 {file.sha256}")
    except IntegrityError as error:
        version = fields.get("version", "1")
        message = f"There is a version {version} of {name}, also if it was withdrawn; give this one another."
        raise ApiError(409, "VERSION_EXISTS", message, field="version") from error
    return file


def withdraw_data_file(*, file: DataFile, user: Any) -> None:
    """Hand the file out no longer. Its row, digest and bytes stay, so that what used it can be traced."""
    with transaction.atomic():
        if DataFile.objects.shown().filter(pk=file.pk).update(withdrawn_at=timezone.now()):
            record(user, "withdraw data file", file)
