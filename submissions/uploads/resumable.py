"""Resumable uploads: begin, send parts in any order, complete, drop (docs/uploads.md).

The database records that an upload exists; only the store knows its parts. So a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog
from django.contrib.auth import get_user_model
from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.models.access import holds
from submissions.models.imports.dataset_import import IMPORT_PERMISSION
from submissions.models.upload import LIFETIME, Upload
from submissions.phases.storage_budget import check_budget
from submissions.storage import files as storage
from submissions.storage.base import PART_URL_SECONDS, MissingFile, StorageError
from submissions.storage.files import store
from submissions.teams.membership import team_for
from submissions.text.sanitize import MAX_FILE_NAME_LENGTH, sanitize_filename
from submissions.uploads import checks
from submissions.uploads.body import incomplete

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)
PART_BYTES = 16 << 20
MAX_PARTS = 9_000  # S3 takes 10,000
MAX_UNFINISHED = 2
MAX_KEPT = 4
MISSING_SHOWN = 20
# By purpose: the permission that sending it takes, and the name under which it is stored.
KINDS_OF_ORGANISERS = {
    Upload.Purpose.DATASET.value: (IMPORT_PERMISSION, "images.archive"),
    Upload.Purpose.DATA.value: ("submissions.change_challenge", "data"),
}


def begin(
    *,
    user: User,
    filename: str,
    size_bytes: int,
    sha256: str = "",
    purpose: str = Upload.Purpose.IMAGE,
    fingerprint: str = "",
) -> Upload:
    """Open an upload. Raises ApiError: bad name or size, or too many uploads open already."""
    name = sanitize_filename(filename)
    checks.check_ending(name if len(filename) <= MAX_FILE_NAME_LENGTH else filename, purpose)
    checks.check_size(size_bytes, purpose)
    permission, stored_as = KINDS_OF_ORGANISERS.get(purpose, ("", "image.tar"))
    if permission and not holds(user, permission):
        raise ApiError(403, "FORBIDDEN", "Only organisers send files of this purpose.", field="purpose")
    team = None if permission else team_for(user)
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=user.pk)
        _check_count(user)
        check_budget(user, team, size_bytes)
        key = storage.new_key(stored_as)
        return Upload.objects.create(
            user=user, original_name=name, size_bytes=size_bytes, part_bytes=part_bytes(size_bytes), key=key,
            handle=store().begin_parts(key), declared_sha256=sha256, purpose=purpose,
            fingerprint=fingerprint,
        )  # fmt: skip


def _check_count(user: User) -> None:
    mine = Upload.objects.visible_to(user).exclude(purpose=Upload.Purpose.PREDICTIONS)
    if mine.unfinished().count() >= MAX_UNFINISHED or mine.count() >= MAX_KEPT:
        raise ApiError(
            429, "TOO_MANY_UPLOADS",
            f"At most {MAX_UNFINISHED} files may be on their way, and {MAX_KEPT} in no submission yet: submit or delete"
            " one. The uploads of your account (/account/uploads/, GET /api/v1/uploads) list them.",
            uploads=[str(item.pk) for item in mine],
        )  # fmt: skip


def part_bytes(size_bytes: int) -> int:
    """Return the length of a part: 16 MiB, or more if the file would have too many parts."""
    mebibytes = -(-size_bytes // (MAX_PARTS << 20))
    return max(PART_BYTES, mebibytes << 20)


def received(upload: Upload) -> list[int]:
    """Return the numbers of the parts that have arrived."""
    if upload.is_complete:
        return list(range(1, upload.parts.count + 1))
    return sorted(store().received(upload.parts))


def part_urls(upload: Upload, numbers: list[int]) -> dict[int, str | None]:
    """Return the URLs to PUT each part directly, None for parts that only the site accepts."""
    _check_open(upload)
    for number in numbers:
        _check_number(upload, number)
    # The first part goes through the site, which checks its beginning before the others are sent.
    return {
        number: store().part_url(upload.parts, number, PART_URL_SECONDS) if number > 1 else None for number in numbers
    }


def put_part(upload: Upload, number: int, pieces: Iterator[bytes]) -> int:
    """Store one part sent through the site; return its length. Raises ApiError if the length is wrong."""
    _check_open(upload)
    _check_number(upload, number)
    expected, size = upload.parts.size_of(number), 0
    if number == 1:
        pieces = _judged(upload, pieces)
    writer = store().part_writer(upload.parts, number)
    try:
        for piece in pieces:
            size += len(piece)
            if size > expected:
                raise ApiError(413, "PART_SIZE", f"Part {number} has exactly {expected} bytes.", expected=expected)
            writer.write(piece)
        if size < expected:
            raise incomplete()
        writer.finish()
    except MissingFile as error:
        writer.abort()
        raise ApiError(
            409, "UPLOAD_COMPLETE", "The upload was completed or dropped meanwhile; this part changed nothing."
        ) from error
    except BaseException:
        writer.abort()
        raise
    return size


def _judged(upload: Upload, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the first part once its beginning is judged; an upload that is not an image is dropped at once."""
    head: list[bytes] = []
    held = 0
    for piece in pieces:
        head.append(piece)
        held += len(piece)
        if held >= checks.HEAD_BYTES:
            break
    beginning = b"".join(head)
    if held >= min(checks.HEAD_BYTES, upload.size_bytes):
        try:
            checks.check_beginning(beginning[: checks.HEAD_BYTES], purpose=upload.purpose)
        except ApiError:
            drop(upload)
            raise
    yield beginning
    yield from pieces


def complete(upload: Upload) -> Upload:
    """Join the parts and check the whole file; a second call returns the same result as the first.

    Raises ApiError: UPLOAD_INCOMPLETE (send the missing parts), CHECKSUM_MISMATCH or UPLOAD_NOT_ARCHIVE
    (the upload is dropped: no part of it is usable), UPLOAD_COMPLETE (it was submitted or deleted meanwhile).
    """
    if upload.is_complete:
        return upload
    _join(upload)
    try:
        checks.check_beginning(storage.head_of(upload.key, checks.HEAD_BYTES), purpose=upload.purpose)
        upload.sha256 = _digest(upload)
        checks.check_digest(upload.declared_sha256, upload.sha256)
    except ApiError:
        drop(upload)
        raise
    upload.is_complete = True
    if not Upload.objects.filter(pk=upload.pk).update(sha256=upload.sha256, is_complete=True):
        raise ApiError(409, "UPLOAD_COMPLETE", "The upload was submitted or deleted meanwhile.")
    return upload


def _join(upload: Upload) -> None:
    try:
        store().join(upload.parts)
    except MissingFile:
        # A restart between joining and saving leaves the complete file and no parts.
        if store().size(upload.key) == upload.size_bytes:
            return
        there = set(received(upload))
        missing = [number for number in range(1, upload.parts.count + 1) if number not in there]
        raise ApiError(
            400, "UPLOAD_INCOMPLETE", f"{len(missing)} of {upload.parts.count} parts are missing; send them first.",
            missing=missing[:MISSING_SHOWN],
        ) from None  # fmt: skip


def _digest(upload: Upload) -> str:
    """Return the file's sha256, or "" for a file on a server: the worker checks it, so a read here only delays."""
    is_far = store().local_path(upload.key) is None
    if is_far and not upload.declared_sha256:
        return ""
    return storage.digest_of(upload.key).sha256


def drop(upload: Upload) -> None:
    """Remove an upload and all its stored data, unless it was submitted meanwhile: then the file is the submission's.

    The row goes first, in one transaction with the files: who deletes the row has the file, here as in submitting.
    """
    with transaction.atomic():
        if Upload.objects.filter(pk=upload.pk).delete()[0] == 0:
            return
        store().drop_parts(upload.parts)
        storage.delete(upload.key)


def drop_expired() -> int:
    """Remove expired uploads, and unfinished files without an upload; return how many."""
    count = 0
    try:
        for upload in Upload.objects.expired():
            drop(upload)
            count += 1
        count += store().drop_older_than(LIFETIME.total_seconds())
    except StorageError as error:
        log.warning("expired uploads not dropped", reason=error.staff_detail)
    return count


def _check_open(upload: Upload) -> None:
    if upload.is_complete:
        raise ApiError(409, "UPLOAD_COMPLETE", "The upload is complete; submit it, or delete it.")


def _check_number(upload: Upload, number: int) -> None:
    if not 1 <= number <= upload.parts.count:
        raise ApiError(400, "VALIDATION_ERROR", f"Parts have the numbers 1 to {upload.parts.count}.", field="numbers")
