"""A request body that says when it was cut short.

Django takes whatever arrived for the whole, and gunicorn's own error about garbled pieces for one of ours; an OSError
it understands: the caller is told that the connection broke.
"""

from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.http.errors import ParseException

from lunasite.serving.drain_body import Application, Environ


class ContentLengthBody:
    """A body that raises OSError when it ends before `length` bytes, or comes in pieces that cannot be joined.

    length: bytes announced, or None where the body comes in pieces.
    """

    def __init__(self, stream: Any, length: int | None) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int = -1) -> bytes:
        return self._taken(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._taken(self._stream.readline, size)

    def _taken(self, take: Callable[[int], bytes], size: int) -> bytes:
        try:
            piece = take(size)
        except ParseException as error:
            raise OSError("the body's pieces cannot be joined") from error
        if self._left is not None:
            self._left -= len(piece)
            if not piece and size and self._left > 0:
                raise OSError("the body was cut short")
        return piece


def check_content_length(application: Application) -> Application:
    """WSGI middleware: hand on each body as a WholeBody."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        is_in_pieces = "HTTP_TRANSFER_ENCODING" in environ
        if length.isdecimal() or is_in_pieces:
            environ["wsgi.input"] = ContentLengthBody(environ["wsgi.input"], None if is_in_pieces else int(length))
        return application(environ, start_response)

    return answer
