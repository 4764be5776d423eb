"""Write request bodies to the disk in large chunks, and enforce the size limit while they arrive."""

import os
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest

from lunasite.http.errors import ApiError
from lunasite.http.files.sizes import size_in_words

CHUNK_BYTES = 2**20
ENDING_LENGTH = 20
FORM_BYTES = 2**20  # allowance for names, boundaries and text fields beside the files


class MaxSizeUploadHandler(TemporaryFileUploadHandler):
    """Write each file to a temporary file, and stop when all files together exceed `max_bytes`.

    Raises ApiError 413 FILE_TOO_LARGE after deleting the incomplete file.
    """

    chunk_size = CHUNK_BYTES

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.max_bytes = max_bytes
        self.received_bytes = 0

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Cut off an overlong ending: it becomes part of the temporary file's name, which must not be too long."""
        stem, ending = os.path.splitext(file_name)
        super().new_file(field_name, stem + ending[:ENDING_LENGTH], *args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received_bytes += len(raw_data)
        if self.received_bytes > self.max_bytes:
            self.file.close()
            raise too_large(self.max_bytes)
        super().receive_data_chunk(raw_data, start)


def too_large(max_bytes: int, remedy: str = "send a smaller one") -> ApiError:
    message = f"The file is larger than the {size_in_words(max_bytes)} this address takes; {remedy}."
    return ApiError(413, "FILE_TOO_LARGE", message, field="file", reason="FILE_TOO_LARGE")


def cap_body(request: HttpRequest, max_bytes: int) -> None:
    """Limit the files in the body of `request` to `max_bytes`; call this before anything reads the body."""
    request.upload_handlers = [MaxSizeUploadHandler(max_bytes)]
    if "HTTP_TRANSFER_ENCODING" in request.META and request.META.get("wsgi.input_terminated"):
        read_to_its_end(request, max_bytes + FORM_BYTES)


def read_to_its_end(request: HttpRequest, most_bytes: int) -> None:
    """Let a chunked body, which has no length, be read until the server reports its end."""
    request.META["CONTENT_LENGTH"] = str(most_bytes)
    request._stream = LimitedStream(request.META["wsgi.input"], most_bytes)  # type: ignore[assignment]


def refuse_large_body(request: HttpRequest, max_bytes: int, *remedy: str) -> None:
    """Raise ApiError 413, before reading the body, if its declared length is too large.

    remedy: what to do instead, where another address takes larger files.
    """
    if content_length(request) > max_bytes + FORM_BYTES:
        raise too_large(max_bytes, *remedy)


def close_uploads(request: HttpRequest) -> None:
    """Delete the incomplete file that was being received when the request was aborted."""
    for handler in request.upload_handlers:
        if isinstance(handler, MaxSizeUploadHandler) and hasattr(handler, "file"):
            handler.file.close()


def content_length(request: HttpRequest) -> int:
    text: Any = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if str(text).isascii() and str(text).isdigit() else 0


def path_of(upload: Any) -> str:
    """Return the path of an upload on the disk; every view here receives uploads through MaxSizeUploadHandler."""
    if not isinstance(upload, TemporaryUploadedFile):
        raise TypeError("uploads of this view must go through MaxSizeUploadHandler")
    return upload.temporary_file_path()
