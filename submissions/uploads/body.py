"""The body of a request, counted: a connection that breaks must not pass for a short file.

Django's parser takes whatever arrived for the whole; so the stream itself says when it was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from submissions.refusals import Refusal

ALL_AT_ONCE_BYTES = 1 << 16


class WholeBody:
    """A request's stream that raises Refusal (UPLOAD_INCOMPLETE) when it ends before `expected_bytes`."""

    def __init__(self, stream: Any, expected_bytes: int) -> None:
        self._stream = stream
        self._left_bytes = expected_bytes

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(ALL_AT_ONCE_BYTES), b""))
        return self._take(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._take(self._stream.readline, self._left_bytes if size < 0 else size)

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        wanted = min(size, self._left_bytes)
        try:
            piece = read(wanted) if wanted else b""
        except OSError as error:
            raise incomplete() from error
        if wanted and not piece:
            raise incomplete()
        self._left_bytes -= len(piece)
        return piece

    def close(self) -> None:
        """Stop reading; what is left is the server's to deal with."""
        self._left_bytes = 0


def incomplete() -> Refusal:
    return Refusal(400, "UPLOAD_INCOMPLETE", "The connection broke before the whole file arrived; send it again.")


def guard_body(request: HttpRequest, most_bytes: int) -> None:
    """Replace the request's stream by one that notices a broken connection.

    A body without a length (chunked) is read to its end, or to `most_bytes`, where the server says it can be.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    stream = request._stream  # type: ignore[attr-defined]
    if length.isdigit():
        request._stream = WholeBody(stream, int(length))  # type: ignore[assignment]
    elif request.META.get("wsgi.input_terminated"):
        request.META["CONTENT_LENGTH"] = str(most_bytes)
        request._stream = request.META["wsgi.input"]  # type: ignore[attr-defined]
