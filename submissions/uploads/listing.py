"""The uploads of a person as a page lists them: how much has arrived, until when they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from submissions.models import Upload
from submissions.storage.base import StorageError
from submissions.uploads.resumable import received


@dataclass(frozen=True)
class ListedUpload:
    """percent: of the parts, whole numbers."""

    upload: Upload
    percent: int


def uploads_of(user: Any, *purposes: str) -> list[ListedUpload]:
    """Return the files that a person has begun to send and not used yet, newest first.

    purposes: of the files that the page takes; none for all but predictions, which the site alone keeps.
    """
    mine = Upload.objects.visible_to(user).exclude(purpose=Upload.Purpose.PREDICTIONS)
    if purposes:
        mine = mine.filter(purpose__in=purposes)
    return [ListedUpload(upload, _percent(upload)) for upload in mine]


def _percent(upload: Upload) -> int:
    try:
        return 100 * len(received(upload)) // max(1, upload.parts.count)
    except StorageError:  # the page is about more than this number
        return 0
