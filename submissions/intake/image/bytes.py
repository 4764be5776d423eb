"""Read the bytes of an upload in pieces, and count them exactly.

Whole files are never held in memory; pieces are at most PIECE_BYTES long.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import BinaryIO, cast

from submissions.faults import ParticipantError
from submissions.intake.image.limits import ArchiveLimits

PIECE_BYTES = 1 << 20


@contextmanager
def opened(file: str | PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Give a binary file at its start; close it only if it was opened here."""
    if hasattr(file, "read"):
        source = cast(BinaryIO, file)
        source.seek(0)
        yield source
        return
    with open(cast(str, file), "rb", buffering=0) as source:
        yield source


def size_of(source: BinaryIO) -> int:
    """Return the length of a seekable file in bytes, leaving it at its start."""
    size = source.seek(0, 2)
    source.seek(0)
    return size


def pieces_of(source: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a file in pieces."""
    while piece := source.read(PIECE_BYTES):
        yield piece


class ExpansionBudget:
    """Count unpacked bytes against the limit for a file of this size."""

    def __init__(self, file_bytes: int, limits: ArchiveLimits) -> None:
        self.spent_bytes = 0
        self._most_bytes = limits.max_expanded_bytes
        self._bomb_bytes = limits.expanded_cap(file_bytes)
        self._ratio = limits.max_ratio

    def spend(self, count: int) -> None:
        """Count `count` more bytes. Raises ParticipantError (IMAGE_TOO_LARGE, ARCHIVE_BOMB)."""
        self.spent_bytes += count
        if self.spent_bytes > self._most_bytes:
            raise ParticipantError(
                "IMAGE_TOO_LARGE",
                f"The image unpacks to more than {self._most_bytes:,} bytes. Make it smaller.",
            )
        if self.spent_bytes > self._bomb_bytes:
            raise ParticipantError("ARCHIVE_BOMB", f"The archive unpacks to more than {self._ratio} times its size.")

    def spend_up_to(self, total: int) -> None:
        """Count the bytes that are missing up to `total`. Raises as `spend`."""
        self.spend(max(0, total - self.spent_bytes))

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass pieces on, each counted before it is handed out."""
        for piece in pieces:
            self.spend(len(piece))
            yield piece


class ByteCursor:
    """Take exact numbers of bytes from a stream of pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = b""
        self._at = 0
        self.offset = 0

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises ParticipantError (ARCHIVE_CORRUPT) when fewer are left."""
        return b"".join(self.pieces(count))

    def peek(self, count: int) -> bytes:
        """Return up to `count` bytes without taking them."""
        while len(self._piece) - self._at < count:
            more = next(self._pieces, b"")
            if not more:
                break
            self._piece, self._at = self._piece[self._at :] + more, 0
        return self._piece[self._at : self._at + count]

    def pieces(self, count: int) -> Iterator[bytes]:
        """Yield exactly `count` bytes. Raises ParticipantError (ARCHIVE_CORRUPT) when fewer are left."""
        while count:
            part = self._part(count)
            if not part:
                raise ParticipantError("ARCHIVE_CORRUPT", "The archive ends too early: the file was cut short.")
            count -= len(part)
            yield part

    def rest(self) -> Iterator[bytes]:
        """Yield everything that is left."""
        while part := self._part(PIECE_BYTES):
            yield part

    def skip(self, count: int) -> None:
        """Drop exactly `count` bytes. Raises ParticipantError (ARCHIVE_CORRUPT) when fewer are left."""
        for _ in self.pieces(count):
            pass

    def _part(self, most: int) -> bytes:
        if self._at == len(self._piece):
            self._piece, self._at = next(self._pieces, b""), 0
        part = self._piece[self._at : self._at + most]
        self._at += len(part)
        self.offset += len(part)
        return part
