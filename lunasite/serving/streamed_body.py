"""Stream a large body whose rest is about to arrive: read it from its file, then directly from the client.

Writing a scan of 66 MB to a file only to read it again costs more processor time than decoding some scans. So a body
from a known sender goes to a thread early if, by its pace so far, the rest is due within SOON_SECONDS. A client that
does not keep this pace is disconnected after STALL_SECONDS of waiting, and only some threads accept such bodies.
"""

from __future__ import annotations

import io
import select
import socket
import time
from typing import IO

from lunasite.serving.content_length import TruncatedBodyError
from lunasite.serving.pace import Pace

SOON_SECONDS = 0.5
STALL_SECONDS = 3.0
SAMPLE_BYTES = 1024 * 1024  # with fewer bytes, the pace is not reliable


def is_soon_whole(pace: Pace, left: int) -> bool:
    """Return whether `left` bytes will arrive within SOON_SECONDS if the client keeps its pace."""
    elapsed = max(time.monotonic() - pace.began, 0.001)
    return pace.moved >= SAMPLE_BYTES and left <= pace.moved / elapsed * SOON_SECONDS


class StreamedBody(io.RawIOBase):
    """A body that is read while it arrives.

    arrived: the part received so far. left: bytes that are still to come from `client`, a non-blocking socket.
    """

    def __init__(self, arrived: IO[bytes], client: socket.socket, left: int) -> None:
        self._arrived = arrived
        self._client = client
        self._patience_s = STALL_SECONDS
        self._is_read = False
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill part of `buffer`. Raises TruncatedBodyError when the client stalls or disconnects."""
        if not self._is_read:
            if count := self._arrived.readinto(buffer):  # type: ignore[attr-defined]
                return int(count)
            self._is_read = True
        return self._from_client(memoryview(buffer)[: self.left]) if self.left else 0

    def _from_client(self, buffer: memoryview) -> int:
        while True:
            try:
                count = self._client.recv_into(buffer)
            except BlockingIOError:
                self._wait()
                continue
            if not count:
                raise TruncatedBodyError("the client has gone")
            self.left -= count
            return count

    def _wait(self) -> None:
        """Wait for more bytes, within the time limit of the whole body."""
        began = time.monotonic()
        poll = select.poll()
        poll.register(self._client, select.POLLIN)
        has_more = poll.poll(1000 * self._patience_s)
        self._patience_s -= time.monotonic() - began
        if not has_more or self._patience_s <= 0:
            raise TruncatedBodyError("the client has stalled")
