"""A gunicorn worker in which half a request holds no thread, and a busy client keeps its own.

gunicorn's own lets a client that sends half a head keep a thread as long as it likes: sixteen such
connections, and nobody else was served. And it hands each request of a kept-alive connection from its event loop to
a thread and back, which costs a quarter of a small prediction.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]

HEAD_SECONDS = 10.0
HEAD_BYTES = 64 * 1024
LOOK_AGAIN_S = 0.02
NEXT_REQUEST_MS = 2


class HeaderBufferingThreadWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Gives a thread to a connection only once its request line and headers are there."""

    def handle(self, conn: Any) -> Any:
        is_new = not conn.initialized and not conn.data_ready
        if is_new and not conn.wait_for_data(gthread.DEFAULT_WORKER_DATA_TIMEOUT):
            return gthread._DEFER
        if not holds_bytes(conn) and not head_is_here(conn.sock):
            return later(conn)
        conn.head_until = None
        keeps = super().handle(conn)
        while keeps is True and self.alive and not self.others_wait() and asks_again(conn):
            keeps = super().handle(conn)
        return keeps

    def others_wait(self) -> bool:
        """Say whether a connection waits for a thread."""
        return bool(self.tpool._work_queue.qsize())


def later(conn: Any) -> Any:
    """Put the connection back among those that wait, or close it (False) when its time is up.

    The poller finds it readable at once, hence the pause: it keeps the rest of the site responsive.
    """
    now = time.monotonic()
    conn.head_until = getattr(conn, "head_until", None) or now + HEAD_SECONDS
    if now > conn.head_until:
        return False
    time.sleep(LOOK_AGAIN_S)
    return gthread._DEFER


def holds_bytes(conn: Any) -> bool:
    """Say whether the parser has read ahead, so that the socket alone does not tell."""
    return conn.parser is not None and bool(conn.parser.unreader.buf.getvalue())


def asks_again(conn: Any) -> bool:
    """Say whether the next request of a kept-alive connection comes at once; its bytes stay where they are."""
    if holds_bytes(conn):
        return False
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(NEXT_REQUEST_MS)) and head_is_here(conn.sock)


def head_is_here(client: socket.socket) -> bool:
    """Say whether a whole head lies in the socket, or its end, or more than a head may have."""
    client.setblocking(False)
    try:
        seen = client.recv(HEAD_BYTES, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return not seen or b"\r\n\r\n" in seen or len(seen) == HEAD_BYTES
