"""Store an image while it arrives: no temporary copy, a megabyte at a time, hashed on the way."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from submissions.storage import files as storage
from submissions.storage.base import PIECE_BYTES, Stored, Writer
from submissions.text.sanitize import sanitize_filename
from submissions.uploads import checks

FORM_BYTES = 1 << 20  # the size that the other fields of a form may add to the file
FILE_FIELD = "file"
KNOWN_FILES = (FILE_FIELD, "model_archive")


class ReceivedImage(UploadedFile):
    """An image that has arrived completely; `keep` stores it permanently."""

    def __init__(self, name: str, size: int, sha256: str, key: str, writer: Writer) -> None:
        super().__init__(file=None, name=name, size=size, content_type="application/octet-stream")
        self.original_name = sanitize_filename(name)
        self.sha256 = sha256
        self.key = key
        self._writer = writer

    def keep(self) -> Stored:
        """Store the file permanently. Raises StorageError."""
        self._writer.finish()
        return Stored(self.key, self.sha256, self.size or 0)

    def close(self) -> None:
        """Do nothing: the writer is finished by `keep`, or dropped by its handler."""


class ImageUploadHandler(FileUploadHandler):
    """Write the part called `file` to storage; refuse the file as soon as it is clear that it is not an image.

    The view always calls `close` at the end; a file that was not kept by then is deleted.
    """

    chunk_size = PIECE_BYTES

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self._writer: Writer | None = None

    def handle_raw_input(
        self, input_data: Any, meta: dict[str, Any], content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        """Refuse by the declared length, before any byte is read."""
        if content_length > settings.MAX_IMAGE_BYTES + FORM_BYTES:
            raise checks.too_large()

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name not in KNOWN_FILES:
            checks.check_part_name(field_name, file_name)
        if field_name != FILE_FIELD or self._writer is not None:
            raise SkipFile
        checks.check_ending(file_name)
        self._key = storage.new_key("image.tar")
        self._writer = storage.store().writer(self._key)
        self._digest, self._size, self._head = hashlib.sha256(), 0, b""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self._writer is not None
        self._size += len(raw_data)
        if self._size > settings.MAX_IMAGE_BYTES:
            raise checks.too_large()
        if len(self._head) < checks.HEAD_BYTES:
            self._look_at(raw_data)
        self._digest.update(raw_data)
        self._writer.write(raw_data)

    def file_complete(self, file_size: int) -> ReceivedImage | None:
        if self._writer is None or self.field_name != FILE_FIELD:
            return None
        checks.check_size(self._size)
        if self._size < checks.HEAD_BYTES:
            checks.check_beginning(self._head)
        name = self.file_name or "image.tar"
        return ReceivedImage(name, self._size, self._digest.hexdigest(), self._key, self._writer)

    def close(self) -> None:
        """Drop what was not kept."""
        if self._writer is not None:
            self._writer.abort()

    def _look_at(self, raw_data: bytes) -> None:
        self._head += raw_data[: checks.HEAD_BYTES - len(self._head)]
        if len(self._head) == checks.HEAD_BYTES:
            checks.check_beginning(self._head)
