"""Drain the request body after a refusal, so that the client can read the answer (lingering close).

If a server answers before it has read the body and then closes, the kernel resets the connection: a client that is
still sending sees a broken pipe instead of the 401 or 413. So the rest of the body is read and discarded after the
answer has been sent, within limits, and without a thread that waits for it.
"""

from __future__ import annotations

import socket
import time

MAX_BYTES = 2**30
MAX_SECONDS = 10.0
READ_BYTES = 256 * 1024
READS_A_TURN = 8


class DrainRequestBody:
    """Read and discard the rest of a body from a non-blocking socket.

    left: remaining bytes, or None for a chunked body, whose end is not detected.
    """

    def __init__(self, client: socket.socket, left: int | None) -> None:
        self._client = client
        self._left = MAX_BYTES if left is None else min(left, MAX_BYTES)
        self._until = time.monotonic() + MAX_SECONDS
        self.is_done = self._left <= 0

    def take(self) -> None:
        """Discard what has arrived; set `is_done` when that was the rest, or when the client is gone."""
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
