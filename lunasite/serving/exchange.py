"""Pass a whole request through the WSGI application, and send its answer to the client."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

import h11

from lunasite.serving.connection import ClientConnection

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Header = tuple[bytes, bytes]

log = logging.getLogger("lunasite.serving")
OF_ONE_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer", b"expect"}
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Parts:
    """The parts of an answer, sent one after the other. Raises OSError when the client is gone or too slow.

    An answer that may change threads is paused when the client has much to take: files are, what reads the database is
    not. A file is known by PEP 3333's wrapper, any other answer by its attribute `may_change_threads`.
    """

    def __init__(self, connection: ClientConnection, reply: Reply, parts: Iterable[bytes]) -> None:
        self._connection, self._reply, self._parts = connection, reply, parts
        self._left = iter(parts)
        self._may_pause = isinstance(parts, FileWrapper) or bool(getattr(parts, "may_change_threads", False))
        reply.waits = not self._may_pause

    def send(self) -> bool:
        """Send parts until the last one or until the answer is paused; return whether it was the last."""
        is_done = True
        try:
            for part in self._left:
                self._reply.write(part)
                if self._may_pause and self._connection.is_full:
                    is_done = False
                    self._connection.pause(self)
                    return False
            self._reply.end()
        except OSError:
            raise
        except Exception:
            log.exception("the application failed")
            _fail(self._connection, self._reply)
        finally:
            if is_done:
                self.close()
        return True

    def close(self) -> None:
        """Let go of what the answer reads from; a failure of that must not end the event loop."""
        try:
            if hasattr(self._parts, "close"):
                self._parts.close()
        except Exception:
            log.exception("an answer could not be closed")


def answer(connection: ClientConnection, application: Application, server: tuple[str, int], *, closes: bool) -> bool:
    """Answer the request that `connection` holds; return False where the answer is paused. Raises OSError.

    closes: whether this is the connection's last answer.
    """
    reply = Reply(connection, closes=closes)
    try:
        parts = application(environ_of(connection, server), reply.start)
    except OSError:
        raise
    except Exception:
        log.exception("the application failed")
        _fail(connection, reply)
        return True
    return Parts(connection, reply, parts).send()


def resume(connection: ClientConnection) -> bool:
    """Go on with a paused answer; return False where it is paused again. Raises OSError."""
    rest, connection.rest = connection.rest, None
    if not isinstance(rest, Parts):
        raise ValueError("nothing is paused")
    return rest.send()


def _fail(connection: ClientConnection, reply: Reply) -> None:
    """Answer 500 after a failure of the application; raises ConnectionAbortedError where the answer has begun."""
    if reply.has_begun:
        raise ConnectionAbortedError("the answer cannot be ended") from None
    connection.keeps_alive = False
    connection.send(FAILED)


def environ_of(connection: ClientConnection, server: tuple[str, int]) -> Environ:
    """Return the request as PEP 3333 asks.

    A header whose name has an underscore is left out: `SCRIPT_NAME` or `X_Real_IP` could be mistaken for values that
    only a server or a proxy may set.
    """
    request = connection.request
    if request is None:
        raise ValueError("no request")
    path, _, query = _origin_form(request.target).partition(b"?")
    environ: Environ = {
        "REQUEST_METHOD": request.method.decode("ascii"), "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": server[0], "SERVER_PORT": str(server[1]), "SERVER_SOFTWARE": "lunasite",
        "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}", "REMOTE_ADDR": connection.address,
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.file_wrapper": FileWrapper,
        "wsgi.input": connection.input, "wsgi.input_terminated": True,
        "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    for name, value in request.headers:
        if b"_" not in name and name not in OF_ONE_HOP:
            _add_header(environ, name.decode("ascii").upper().replace("-", "_"), value.decode("latin-1"))
    if request.method not in (b"GET", b"HEAD") or connection.body_bytes:
        environ["CONTENT_LENGTH"] = str(connection.body_bytes if connection.is_whole else _announced(connection))
    return environ


def _announced(connection: ClientConnection) -> int:
    """Return the declared length of an unread body; for a chunked body, the bytes received, which exceed its limit."""
    return max(connection.length or 0, connection.body_bytes)


def _origin_form(target: bytes) -> bytes:
    """Return path and query of a request's target, which may begin with scheme and host."""
    if target.startswith(b"/"):
        return target
    return b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"


def _add_header(environ: Environ, name: str, value: str) -> None:
    key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
    joint = "; " if name == "COOKIE" else ","
    environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value


class Reply:
    """The outgoing answer: head and first part in one packet, each later part when it is ready."""

    def __init__(self, connection: ClientConnection, *, closes: bool) -> None:
        self._connection = connection
        self._closes = closes
        self._head: h11.Response | None = None
        request = connection.request
        self._has_no_body = request is not None and request.method == b"HEAD"
        self.has_begun = False
        self.waits = True  # for a client that has much to take

    def start(self, status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
        """Set the head, as `start_response` of PEP 3333."""
        if self.has_begun and error:
            raise error[1].with_traceback(error[2])
        code, _, reason = status.partition(" ")
        # Django's cookies begin with a space, which h11 refuses.
        lines: list[Header] = [
            (name.encode("latin-1"), value.strip(" \t").encode("latin-1")) for name, value in headers
        ]
        lines = [line for line in lines if line[0].lower() not in OF_ONE_HOP]
        names = {line[0].lower() for line in lines}
        if b"date" not in names:
            lines.append((b"Date", formatdate(time.time(), usegmt=True).encode()))
        if self._closes or not self._connection.is_whole:
            lines.append((b"Connection", b"close"))
        self._has_no_body = self._has_no_body or code in ("204", "304") or code.startswith("1")
        self._head = h11.Response(status_code=int(code), headers=lines, reason=reason.encode("latin-1"))
        return self.write

    def write(self, part: bytes) -> None:
        """Send one part; an empty one is not sent."""
        if part:
            head = self._begin()
            data = b"" if self._has_no_body else self._encoded(h11.Data(data=part))
            self._connection.send(head + data, may_wait=self.waits)

    def end(self) -> None:
        """Send the end of the answer."""
        http = self._connection.http
        head = self._begin()
        self._connection.send(head + self._encoded(h11.EndOfMessage()), may_wait=self.waits)
        self._connection.keeps_alive = http.our_state is h11.DONE and self._connection.is_whole

    def _begin(self) -> bytes:
        """Return the head at the first call, nothing after that."""
        if self.has_begun:
            return b""
        if self._head is None:
            raise h11.LocalProtocolError("the application did not call start_response")
        head = self._encoded(self._head)
        self.has_begun = True
        return head

    def _encoded(self, event: h11.Event) -> bytes:
        return self._connection.http.send(event) or b""
