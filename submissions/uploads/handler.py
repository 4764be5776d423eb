"""Store the files of an image submission while they arrive: no temporary copy, a megabyte at a time, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, ClassVar

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from lunasite.http.errors import ApiError
from lunasite.http.multipart import ONE_FILE
from submissions.models import Upload
from submissions.storage import files as storage
from submissions.storage.base import PIECE_BYTES, Stored, Writer
from submissions.text.sanitize import sanitize_filename
from submissions.uploads import checks

FORM_BYTES = 1 << 20  # the size that the other fields of a form may add to the files
FILE_FIELD = "file"
MODEL_FIELD = "model_archive"
PURPOSES = {FILE_FIELD: Upload.Purpose.IMAGE, MODEL_FIELD: Upload.Purpose.MODEL}
STORED_AS = {FILE_FIELD: "image.tar", MODEL_FIELD: "model.tar.gz"}


class ReceivedFile(UploadedFile):
    """A file that has arrived completely; `keep` stores it permanently."""

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


class _ArrivingFile:
    """One file of the request on its way to storage; refused as soon as its bytes show that it is something else."""

    def __init__(self, purpose: str, name: str, stored_as: str) -> None:
        self.purpose = purpose
        self.name = name or stored_as
        checks.check_ending(name, self.purpose)
        self.key = storage.new_key(stored_as)
        self.writer = storage.store().writer(self.key)
        self._digest, self._size, self._head = hashlib.sha256(), 0, b""

    def take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > checks.max_bytes(self.purpose):
            raise checks.too_large(self.purpose)
        if len(self._head) < checks.HEAD_BYTES:
            self._look_at(piece)
        self._digest.update(piece)
        self.writer.write(piece)

    def _look_at(self, piece: bytes) -> None:
        self._head += piece[: checks.HEAD_BYTES - len(self._head)]
        if len(self._head) == checks.HEAD_BYTES:
            checks.check_beginning(self._head, purpose=self.purpose)

    def received(self) -> ReceivedFile:
        checks.check_size(self._size, self.purpose)
        if self._size < checks.HEAD_BYTES:
            checks.check_beginning(self._head, purpose=self.purpose)
        return ReceivedFile(self.name, self._size, self._digest.hexdigest(), self.key, self.writer)


class ImageUploadHandler(FileUploadHandler):
    """Write the parts called `file` and `model_archive` to storage.

    The view always calls `close` at the end; a file that was not kept by then is deleted.
    purposes, stored_as: by the name of the form's field. plain_fields: names of fields that are no files.
    """

    chunk_size = PIECE_BYTES
    purposes: ClassVar[dict[str, str]] = dict(PURPOSES)
    stored_as: ClassVar[dict[str, str]] = STORED_AS

    def __init__(self, request: HttpRequest, plain_fields: Collection[str] = ()) -> None:
        super().__init__(request)
        self._plain_fields = plain_fields
        self._files: dict[str, _ArrivingFile] = {}

    def handle_raw_input(
        self, input_data: Any, meta: dict[str, Any], content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        """Refuse by the declared length, before any byte is read."""
        if content_length > settings.MAX_IMAGE_BYTES + FORM_BYTES:
            raise checks.too_large([*self.purposes.values()][-1], settings.MAX_IMAGE_BYTES)

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        self._is_skipped = field_name not in self.purposes
        if self._is_skipped:
            checks.check_part_name(field_name, file_name, self._plain_fields)
            raise SkipFile
        if field_name in self._files:
            raise ApiError(400, "VALIDATION_ERROR", ONE_FILE, field=field_name)
        purpose, stored_as = self.purposes[field_name], self.stored_as[field_name]
        self._files[field_name] = _ArrivingFile(purpose, file_name, stored_as)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._files[str(self.field_name)].take(raw_data)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        return None if self._is_skipped else self._files[str(self.field_name)].received()

    def close(self) -> None:
        """Drop what was not kept."""
        for file in self._files.values():
            file.writer.abort()


class DataFileUploadHandler(ImageUploadHandler):
    """Write the part called `file` to storage: what a challenge hands out."""

    purposes: ClassVar[dict[str, str]] = {FILE_FIELD: "data"}
    stored_as: ClassVar[dict[str, str]] = {FILE_FIELD: "data"}


class DatasetUploadHandler(ImageUploadHandler):
    """Write the parts called `truth` and `images` to storage: hidden data, which never lie in a temporary folder."""

    purposes: ClassVar[dict[str, str]] = {"truth": "truth", "images": "dataset"}
    stored_as: ClassVar[dict[str, str]] = {"truth": "truth.csv", "images": "images.archive"}
