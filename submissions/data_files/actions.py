"""Add a data file, and withdraw one."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.models import DataFile, Upload
from submissions.models.audit import record
from submissions.models.challenges.challenge import Challenge
from submissions.storage.base import Stored
from submissions.storage.files import digest_of

# A longer ending is none that a program reads.
MAX_ENDING = 20


def add_upload(*, challenge: Challenge, user: Any, upload: Upload, **fields: Any) -> DataFile:
    """Hand out a complete upload, whose row ends with it. Raises ApiError (409), StorageError; then the upload stays.

    An upload to an object store has no digest until here: it is read once, before the transaction.
    """
    stored = Stored(upload.key, upload.sha256 or digest_of(upload.key).sha256, upload.size_bytes)
    with transaction.atomic():
        if Upload.objects.filter(pk=upload.pk).delete()[0] == 0:
            raise ApiError(409, "UPLOAD_TAKEN", "The upload is used or deleted already; choose the file again.")
        return add_data_file(challenge=challenge, user=user, stored=stored, name=upload.original_name, **fields)


def add_data_file(*, challenge: Challenge, user: Any, stored: Stored, name: str, **fields: Any) -> DataFile:
    """Return the new file. Raises ApiError (409) for a version that there is: what was cited does not change."""
    name = file_name(name)
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


def file_name(sent: str) -> str:
    """Return the name under which a file is handed out: no folder, which its address cannot hold, and not too long."""
    most: Any = DataFile._meta.get_field("name").max_length
    name = sent.replace("\\", "/").rpartition("/")[2]
    if name in ("", ".", ".."):
        return "unnamed"
    if len(name) <= most:
        return name
    ending = "".join(PurePosixPath(name).suffixes[-2:])
    ending = ending if len(ending) <= MAX_ENDING else ""
    return name[: most - len(ending)] + ending


def withdraw_data_file(*, file: DataFile, user: Any) -> None:
    """Hand the file out no longer. Its row, digest and bytes stay, so that what used it can be traced."""
    with transaction.atomic():
        if DataFile.objects.shown().filter(pk=file.pk).update(withdrawn_at=timezone.now()):
            record(user, "withdraw data file", file)
