"""The storage protocol: the methods of a store, its values, and its errors.

    StorageError        ours: SYSTEM_STORAGE (503), or SYSTEM_DISK (507) when a disk is full

Files of any size are passed in pieces; nothing here holds a whole file.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from submissions.faults import PlatformError, SharedPart

PIECE_BYTES = 1 << 20
PART_URL_SECONDS = 900
FULL = (errno.ENOSPC, errno.EDQUOT)
MESSAGE = "Our file storage has a problem; nothing was submitted. Try again in a few minutes."


class StorageError(PlatformError):
    """The store failed, or does not hold what it should; `staff_detail` names the setting to check.

    In a request, the answer is 503 or 507 with a sentence of ours.
    """

    wait = 30

    def __init__(self, staff_detail: str, code: str = "SYSTEM_STORAGE") -> None:
        super().__init__(code, staff_detail)
        self.error_code = code
        self.status_code = 507 if code == "SYSTEM_DISK" else 503
        self.detail = self.message = MESSAGE
        self.details: dict[str, Any] = {}


class StorageAway(StorageError):
    """The store does not answer, or refuses or fails whatever is asked: a fault of the shared part, not of a file."""

    def __init__(self, staff_detail: str, shared: SharedPart) -> None:
        super().__init__(staff_detail)
        self.shared = shared


class MissingFile(StorageError):
    """The store answers, but does not have this file."""


def storage_error(error: Exception) -> StorageError:
    """Return the StorageError for a failed disk operation."""
    is_full = isinstance(error, OSError) and error.errno in FULL
    return StorageError(f"{type(error).__name__}: {error}", "SYSTEM_DISK" if is_full else "SYSTEM_STORAGE")


@dataclass(frozen=True)
class Stored:
    """A stored file. sha256: hexadecimal."""

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class PartsRef:
    """A file that arrives in parts. handle: the store's own name for the unfinished file."""

    key: str
    handle: str
    size_bytes: int
    part_bytes: int

    @property
    def count(self) -> int:
        return -(-self.size_bytes // self.part_bytes)

    def size_of(self, number: int) -> int:
        """Return the length of part `number`, counted from 1."""
        return min(self.part_bytes, self.size_bytes - (number - 1) * self.part_bytes)


class Writer(Protocol):
    """A file being written; not visible under its key until `finish`."""

    def write(self, piece: bytes) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None:
        """Drop what was written; harmless after `finish` or when repeated."""
        ...


class Store(Protocol):
    """The methods of a store. Every method raises StorageError."""

    def writer(self, key: str) -> Writer: ...

    def pieces(self, key: str) -> AbstractContextManager[Iterator[bytes]]: ...

    def local_path(self, key: str) -> Path | None:
        """Return the file's path on this machine, or None if it is not local."""
        ...

    def size(self, key: str) -> int | None:
        """Return the length of a stored file, None if there is none."""
        ...

    def check_room(self, size_bytes: int) -> None:
        """Raise StorageError(SYSTEM_DISK) if this many bytes would fill the disk; an S3 server checks this itself."""
        ...

    def delete(self, key: str) -> None: ...

    def url(self, key: str, name: str, seconds: int) -> str: ...

    def begin_parts(self, key: str) -> str: ...

    def received(self, parts: PartsRef) -> set[int]: ...

    def part_url(self, parts: PartsRef, number: int, seconds: int) -> str | None:
        """Return a URL to PUT a part without passing through the site, or None."""
        ...

    def part_writer(self, parts: PartsRef, number: int) -> Writer: ...

    def join(self, parts: PartsRef) -> None:
        """Join all parts into one file. Raises MissingFile if parts are missing."""
        ...

    def drop_parts(self, parts: PartsRef) -> None: ...

    def drop_older_than(self, seconds: float) -> int:
        """Drop unfinished files that have not changed for this long; return how many."""
        ...
