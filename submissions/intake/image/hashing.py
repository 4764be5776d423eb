"""SHA-256 on separate threads, so that hashing overlaps reading and unpacking."""

import hashlib
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Protocol, Self


class Digest(Protocol):
    """The methods of a hashlib object used here."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def hexdigest(self) -> str:
        """Return the digest in hexadecimal."""


class HashLane:
    """One thread that feeds pieces to digests in the order they came.

    hashlib releases the GIL while it works. The queue is bounded, so a slow lane slows its caller down instead of
    filling
    memory. Digests are complete once the lane is closed.
    """

    def __init__(self, depth: int = 8) -> None:
        self._queue: Queue[tuple[Digest, bytes] | None] = Queue(depth)
        self._thread = Thread(target=self._work, name="intake-hash", daemon=True)
        self._thread.start()

    def begin(self) -> Digest:
        """Return a fresh digest."""
        return hashlib.sha256()

    def update(self, digest: Digest, piece: bytes) -> None:
        """Queue `piece` to be added to `digest`."""
        self._queue.put((digest, piece))

    def close(self) -> None:
        """Wait until every digest is complete."""
        self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            digest, piece = job
            digest.update(piece)
