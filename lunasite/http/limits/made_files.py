"""Files that are made for one answer: they take room on the disk of the temporary folder until they are sent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from typing import IO

from django.conf import settings

from lunasite.http.errors import ApiError


def made_file(size_bytes: int, write: Callable[[IO[bytes]], None]) -> IO[bytes]:
    """Return an open temporary file as `write` left it, at its beginning; it is gone when the caller closes it.

    size_bytes: how large it may become. Raises ApiError(507, STORAGE_FULL) where less than FREE_SPACE would stay free;
    whatever write raises leaves no file.
    """
    check_temporary_room(size_bytes)
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    try:
        write(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def check_temporary_room(size_bytes: int) -> None:
    """Raise ApiError(507, STORAGE_FULL) where so large a temporary file would leave less than FREE_SPACE free."""
    if shutil.disk_usage(tempfile.gettempdir()).free < size_bytes + settings.FREE_SPACE_BYTES:
        message = "This site has no room to make the file now: try again later, or tell the organisers."
        raise ApiError(507, "STORAGE_FULL", message, retry_after_s=3600)
