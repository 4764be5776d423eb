"""Let a refused caller read the answer.

A server that answers before it has read the body and then closes makes the kernel reset the connection: the caller,
still sending, sees a broken pipe instead of the 401 or 413. So what is left of the body is taken and thrown away after
the answer has gone out, within limits, and without a thread that waits for it.
"""

from __future__ import annotations

import socket
import time

MAX_BYTES = 2**30
MAX_SECONDS = 10.0
READ_BYTES = 256 * 1024
READS_A_TURN = 8


class DrainRequestBody:
    """Takes the rest of a body from a non-blocking socket.

    left: bytes to come, or None for a body in pieces, whose end is not looked for.
    """

    def __init__(self, client: socket.socket, left: int | None) -> None:
        self._client = client
        self._left = MAX_BYTES if left is None else min(left, MAX_BYTES)
        self._until = time.monotonic() + MAX_SECONDS
        self.is_done = self._left <= 0

    def take(self) -> None:
        """Throw away what has arrived; sets `is_done` when that was all, or the client is gone."""
        try:
            for _ in range(READS_A_TURN):
                data = self._client.recv(READ_BYTES)
                self._left -= len(data)
                if not data or self._left <= 0:
                    self.is_done = True
                    return
        except BlockingIOError:
            pass
        except OSError:
            self.is_done = True

    def is_late(self, now: float) -> bool:
        return now > self._until
