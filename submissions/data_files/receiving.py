"""Receive a data file of any size: into the store while it arrives, a piece at a time, hashed on the way."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from lunasite.http.errors import ApiError
from submissions.storage import files as storage
from submissions.storage.base import PIECE_BYTES, Stored, Writer
from submissions.text.sanitize import sanitize_filename

FORM_BYTES = 1 << 20  # what the other fields of the form may add
FIELD = "file"


class ArrivedFile(UploadedFile):
    """A file that has arrived whole; `keep` stores it for good."""

    def __init__(self, name: str, size: int, sha256: str, key: str, writer: Writer) -> None:
        super().__init__(file=None, name=sanitize_filename(name), size=size, content_type="application/octet-stream")
        self.stored, self._writer = Stored(key, sha256, size), writer

    def keep(self) -> Stored:
        """Store the file. Raises StorageError."""
        self._writer.finish()
        return self.stored

    def close(self) -> None:
        """Do nothing: `keep` or the handler ends the writing."""


class DataFileUploadHandler(FileUploadHandler):
    """Write the form's one file to the store; what was not kept is dropped with `close`."""

    chunk_size = PIECE_BYTES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writers: list[Writer] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name != FIELD or self._writers:
            raise ApiError(400, "VALIDATION_ERROR", "The form takes one file.", field=FIELD)
        self._key, self._digest, self._size = storage.new_key("data"), hashlib.sha256(), 0
        self._writers.append(storage.store().writer(self._key))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._size += len(raw_data)
        if self._size > settings.MAX_IMAGE_BYTES:
            raise ApiError(413, "FILE_TOO_LARGE", "The file is larger than this site takes.", field=FIELD)
        self._digest.update(raw_data)
        self._writers[-1].write(raw_data)

    def file_complete(self, file_size: int) -> ArrivedFile:
        assert self.file_name is not None
        return ArrivedFile(self.file_name, self._size, self._digest.hexdigest(), self._key, self._writers[-1])

    def close(self) -> None:
        """Drop what was not kept."""
        for writer in self._writers:
            writer.abort()
