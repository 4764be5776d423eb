"""A container that runs in a job: what it prints, kept to its last megabyte, and how it ended."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

LOG_BYTES = 1 << 20
READ_BYTES = 64 << 10


class Output:
    """Reads a pipe to its end in a thread of its own."""

    def __init__(self, descriptor: int, take: Callable[[bytes], None], at_end: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._read, args=(descriptor, take, at_end), daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    @staticmethod
    def _read(descriptor: int, take: Callable[[bytes], None], at_end: Callable[[], None]) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while piece := pipe.read(READ_BYTES):
                take(piece)
        at_end()


class Log:
    """The end of what a container printed; what came before the last megabyte is gone."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._lock = threading.Lock()

    def add(self, piece: bytes) -> None:
        with self._lock:
            self._kept += piece
            if len(self._kept) > 2 * LOG_BYTES:
                del self._kept[:-LOG_BYTES]

    def tail(self, limit: int) -> bytes:
        with self._lock:
            return bytes(self._kept[-min(limit, LOG_BYTES) :])


class LineQueue:
    """The standard output of a container as whole lines, as they come."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def add(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._queue.put(line)

    def end(self) -> None:
        self._queue.put(None)

    def lines(self, wait_s: float) -> list[bytes]:
        """Return the whole lines that came within `wait_s`; at once when there are some."""
        found: list[bytes] = []
        try:
            while not self.ended:
                line = self._queue.get_nowait() if found else self._queue.get(timeout=max(wait_s, 0.001))
                self.ended = line is None
                if line is not None:
                    found.append(line)
        except queue.Empty:
            pass
        return found
