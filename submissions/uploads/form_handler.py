"""Receive the files of a page's form, which comes back filled in if one of them is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.files.uploadhandler import SkipFile
from django.http import HttpRequest

from lunasite.http.errors import ApiError
from submissions.storage.base import StorageError
from submissions.uploads.handler import ImageUploadHandler, ReceivedFile

READ_PAST_BYTES = 64 << 20


class FormUploadHandler(ImageUploadHandler):
    """Reads past a file that is refused, so that the fields behind it are not lost.

    refusal: the first one, for the view to raise. If more than READ_PAST_BYTES are left, it is raised at once, and the
    fields behind the file are lost: the browser of somebody with scripts sends the file before the form.
    """

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.refusal: ApiError | StorageError | None = None
        self.has_seen_file = False
        self._left = 0

    def handle_raw_input(
        self, input_data: Any, meta: dict[str, Any], content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        super().handle_raw_input(input_data, meta, content_length, boundary, encoding)
        self._left = content_length

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        self.has_seen_file = True
        self._until_refused(super().new_file, field_name, file_name, *args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._left -= len(raw_data)
        self._until_refused(super().receive_data_chunk, raw_data, start)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        try:
            return super().file_complete(file_size)
        except (ApiError, StorageError) as refusal:
            self.refusal = self.refusal or refusal
            return None

    def _until_refused(self, step: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        try:
            step(*args, **kwargs)
        except (ApiError, StorageError) as refusal:
            self.refusal = self.refusal or refusal
            if self._left > READ_PAST_BYTES:
                raise
            raise SkipFile from refusal
