"""The one gateway to stored files: local folders or an S3 server, always through django-storages' settings.

    StorageError        ours: SYSTEM_STORAGE (503), or SYSTEM_DISK (507) when a disk is full

Files of any size pass in pieces; nothing here holds a whole one. Keys are ours, never a user's name:
`submissions/<uuid>/…`.
"""

from __future__ import annotations

import errno
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.core.files.storage import storages

from submissions.failures import PlatformError

PIECE_BYTES = 1 << 20
DOWNLOAD_SECONDS = 300
PART_URL_SECONDS = 900
FULL = (errno.ENOSPC, errno.EDQUOT)
MESSAGE = "Our file storage has a problem; nothing was submitted. Try again in a few minutes."


class StorageError(PlatformError):
    """The store failed, or does not hold what it should; `staff_detail` names the setting to look at.

    Raised in a request it answers 503 or 507 with a sentence of ours.
    """

    wait = 30

    def __init__(self, staff_detail: str, code: str = "SYSTEM_STORAGE") -> None:
        super().__init__(code, staff_detail)
        self.error_code = code
        self.status_code = 507 if code == "SYSTEM_DISK" else 503
        self.detail = self.message = MESSAGE
        self.details: dict[str, Any] = {}


class MissingFile(StorageError):
    """The store answers but has no such file."""


def storage_error(error: Exception) -> StorageError:
    """Return the typed error of a failed disk operation."""
    is_full = isinstance(error, OSError) and error.errno in FULL
    return StorageError(f"{type(error).__name__}: {error}", "SYSTEM_DISK" if is_full else "SYSTEM_STORAGE")


@dataclass(frozen=True)
class Stored:
    """What was stored. sha256: hexadecimal."""

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class PartsRef:
    """A file that arrives in parts. handle: the store's own name of the unfinished file."""

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
    """A file on its way in; invisible under its key until `finish`."""

    def write(self, piece: bytes) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None:
        """Drop what was written; harmless after `finish`, or twice."""
        ...


class Store(Protocol):
    """What a place for files can do. Every method raises StorageError."""

    def writer(self, key: str) -> Writer: ...

    def pieces(self, key: str) -> AbstractContextManager[Iterator[bytes]]: ...

    def local_path(self, key: str) -> Path | None:
        """Return where the file lies on this machine, or None if it does not."""
        ...

    def size(self, key: str) -> int | None:
        """Return the length of a stored file, None if there is none."""
        ...

    def check_room(self, size_bytes: int) -> None:
        """Raise StorageError(SYSTEM_DISK) if so much would fill the disk; a server knows that itself."""
        ...

    def delete(self, key: str) -> None: ...

    def url(self, key: str, name: str, seconds: int) -> str: ...

    def begin_parts(self, key: str) -> str: ...

    def received(self, parts: PartsRef) -> set[int]: ...

    def part_url(self, parts: PartsRef, number: int, seconds: int) -> str | None:
        """Return where to PUT a part without passing through the site, or None."""
        ...

    def part_writer(self, parts: PartsRef, number: int) -> Writer: ...

    def join(self, parts: PartsRef) -> None:
        """Make one file of all parts. Raises MissingFile when some are not there."""
        ...

    def drop_parts(self, parts: PartsRef) -> None: ...

    def drop_older_than(self, seconds: float) -> int:
        """Drop unfinished files that nobody has touched for so long; return how many."""
        ...


def store(name: str = "default") -> Store:
    """Return the store of submissions ("default") or of datasets ("datasets"), as STORAGES says."""
    backend: Any = storages[name]
    if hasattr(backend, "bucket_name"):
        from submissions.storage.s3 import S3Store

        return S3Store(backend)
    from submissions.storage.local import LocalStore

    return LocalStore(Path(backend.path("")))


def new_key(name: str) -> str:
    """Return a fresh key; `name` is ours."""
    return f"submissions/{uuid.uuid4()}/{name}"


def stream_in(key: str, pieces: Iterable[bytes]) -> Stored:
    """Store pieces under `key`, hashing them on the way; on any error nothing is left."""
    writer, digest, size = store().writer(key), hashlib.sha256(), 0
    try:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            writer.write(piece)
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return Stored(key, digest.hexdigest(), size)


def fetch_to(path: Path, key: str, *, sha256: str = "", check: Callable[[], None] = lambda: None) -> Stored:
    """Copy a stored file to `path`. check: called at each piece; may raise to stop.

    Raises StorageError, also when the file is not the one `sha256` names.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with store().pieces(key) as pieces, path.open("wb") as target:
            for piece in pieces:
                check()
                digest.update(piece)
                size += len(piece)
                target.write(piece)
    except OSError as error:
        raise storage_error(error) from error
    if sha256 and digest.hexdigest() != sha256:
        raise StorageError(f"{key} is not what was uploaded")
    return Stored(key, digest.hexdigest(), size)


def digest_of(key: str) -> Stored:
    """Read a stored file through and return its length and digest."""
    digest, size = hashlib.sha256(), 0
    with store().pieces(key) as pieces:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
    return Stored(key, digest.hexdigest(), size)


def head_of(key: str, count: int) -> bytes:
    """Return up to `count` first bytes of a stored file."""
    head = b""
    with store().pieces(key) as pieces:
        for piece in pieces:
            head += piece
            if len(head) >= count:
                break
    return head[:count]


def read_small(key: str, most: int) -> bytes:
    """Return a stored file of at most `most` bytes. Raises StorageError if it is longer."""
    data = head_of(key, most + 1)
    if len(data) > most:
        raise StorageError(f"{key} is longer than {most} bytes")
    return data


def url_for(key: str, name: str) -> str:
    """Return an address that serves the file, as an attachment called `name`, for five minutes."""
    return store().url(key, name, DOWNLOAD_SECONDS)


def delete(key: str) -> None:
    """Remove a stored file; harmless if there is none."""
    store().delete(key)
