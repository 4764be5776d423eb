"""The body of an upload: a broken connection must not be taken for a short file.

The server's stream raises OSError for a truncated or malformed body. When Django reads a form for its CSRF token, it
takes that for a missing token and answers 403. So the error becomes our ApiError before any other code sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from lunasite.http.errors import ApiError
from lunasite.http.limits.upload_limits import read_to_its_end


class UploadStream:
    """A request's stream that raises ApiError (UPLOAD_INCOMPLETE) where the server's raises OSError or ends early.

    announced: the bytes that Content-Length declares, None for a chunked body.
    """

    def __init__(self, stream: Any, announced: int | None) -> None:
        self._stream = stream
        self._left = announced

    def read(self, *size: int) -> bytes:
        return self._taken(self._stream.read, *size)

    def readline(self, *size: int) -> bytes:
        return self._taken(self._stream.readline, *size)

    def close(self) -> None:
        """Do nothing: the server handles unread bytes."""

    def _taken(self, take: Callable[..., bytes], *size: int) -> bytes:
        try:
            piece = take(*size)
        except OSError as error:
            raise incomplete() from error
        if self._left is not None:
            self._left -= len(piece)
            if not piece and self._left > 0 and size != (0,):
                raise incomplete()
        return piece


def incomplete() -> ApiError:
    return ApiError(400, "UPLOAD_INCOMPLETE", "The connection broke before the whole file arrived; send it again.")


def guard_body(request: HttpRequest, most_bytes: int) -> None:
    """Replace the request's stream by one that reports a broken connection as ApiError.

    A body without a length (chunked) is read to its end, or to `most_bytes`, if the server says that it can be read.
    """
    has_length = (request.META.get("CONTENT_LENGTH") or "").isdigit()
    announced = int(request.META["CONTENT_LENGTH"]) if has_length else None
    if not has_length and request.META.get("wsgi.input_terminated"):
        read_to_its_end(request, most_bytes)
    request._stream = UploadStream(request._stream, announced)  # type: ignore[attr-defined, assignment]
