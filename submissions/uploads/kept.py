"""Keep a whole file while the page asks its sender something, as a finished upload, which expires like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile

from submissions.models import Upload
from submissions.phases.storage_budget import check_budget
from submissions.storage import files as storage
from submissions.storage.base import Stored
from submissions.storage.files import store
from submissions.teams.membership import team_for
from submissions.uploads.resumable import drop

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from submissions.uploads.handler import ReceivedFile

Purpose = Upload.Purpose


def keep_predictions(user: User, name: str, data: bytes) -> Upload:
    """Keep a CSV, in place of the one that was kept before. Raises StorageError, ApiError where there is no room."""
    check_budget(user, team_for(user), len(data))
    stored = storage.stream_in(storage.new_key("predictions.csv"), [data])
    upload = _finished(user, name, stored, Purpose.PREDICTIONS)
    # Afterwards, so that of two requests at once the newer file stays, and it alone.
    for earlier in Upload.objects.filter(user=user, purpose=Purpose.PREDICTIONS, created_at__lt=upload.created_at):
        drop(earlier)
    return upload


def keep_image(user: User, image: ReceivedFile) -> Upload:
    """Keep an image that arrived in one request. Raises StorageError, ApiError where there is no room."""
    check_budget(user, team_for(user), image.size or 0)
    return _finished(user, image.original_name, image.keep(), Purpose.IMAGE)


def _finished(user: User, name: str, stored: Stored, purpose: str) -> Upload:
    # The handle names no parts, but dropping an upload drops those of its handle: it must be one of the store's own.
    return Upload.objects.create(
        user=user, purpose=purpose, original_name=name, key=stored.key, handle=store().begin_parts(stored.key),
        size_bytes=stored.size_bytes, part_bytes=max(stored.size_bytes, 1), sha256=stored.sha256, is_complete=True,
    )  # fmt: skip


def kept_predictions(user: Any, number: UUID) -> Upload | None:
    return Upload.objects.visible_to(user).filter(pk=number, purpose=Purpose.PREDICTIONS).first()


def as_file(upload: Upload) -> SimpleUploadedFile:
    """Return a kept CSV as if it had been sent just now. Raises StorageError."""
    with store().pieces(upload.key) as pieces:
        return SimpleUploadedFile(upload.original_name, b"".join(pieces), content_type="text/csv")
