"""Let a refused caller read the answer.

A server that answers before it has read the body and then closes makes the kernel reset the connection: the caller,
still sending, sees a broken pipe instead of the 401 or 413. So what is left of the body is read and thrown away
after the answer has gone out, within limits.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

MAX_BYTES = 2**30
MAX_SECONDS = 5.0
SILENCE_SECONDS = 30.0  # a client that sends, or takes, nothing for so long is gone
CHUNK_BYTES = 2**18


class DrainRequestBody:
    """WSGI middleware around the site."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if (client := environ.get("gunicorn.socket")) is not None:
            client.settimeout(SILENCE_SECONDS)
        answer = self.application(environ, start_response)
        # Without a body there is nothing to read; the server may then use sendfile on the answer as it is.
        has_body = environ.get("CONTENT_LENGTH", "") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
        return Answer(answer, environ) if has_body else answer


class Answer:
    """An answer that, once sent, reads what is left of the body."""

    def __init__(self, answer: Iterable[bytes], environ: Environ) -> None:
        self.answer = answer
        self.environ = environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.answer)

    def close(self) -> None:
        try:
            drain(self.environ["wsgi.input"], self.environ.get("gunicorn.socket"))
        finally:
            if hasattr(self.answer, "close"):
                self.answer.close()


def drain(body: Any, socket: Any = None) -> None:
    """Read `body` to its end, but no more than MAX_BYTES and no longer than MAX_SECONDS."""
    deadline = time.monotonic() + MAX_SECONDS
    left = MAX_BYTES
    with contextlib.suppress(OSError, ValueError), short_reads(socket):
        while left > 0 and time.monotonic() < deadline:
            chunk = body.read(CHUNK_BYTES)
            if not chunk:
                return
            left -= len(chunk)


@contextlib.contextmanager
def short_reads(socket: Any) -> Iterator[None]:
    """Let no read wait longer than MAX_SECONDS."""
    if socket is None:
        yield
        return
    before = socket.gettimeout()
    socket.settimeout(MAX_SECONDS)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            socket.settimeout(before)
