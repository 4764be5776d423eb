"""Files in a folder of this machine. Unfinished files lie below `incoming/`, in the same file system.

A file that arrives in parts is one sparse file, into which each part is written at its place. An empty marker file
records each finished part. Joining is a rename, whatever the size.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from submissions.faults import SharedPart
from submissions.storage.base import PIECE_BYTES, MissingFile, PartsRef, StorageAway, StorageError, storage_error

DOWNLOAD_SALT = "lunasite.download"
MODE = 0o600


# What a file system answers that is not mounted, or whose server is away, whichever file is asked for.
AWAY = (errno.EIO, errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENXIO)


@contextmanager
def _typed() -> Iterator[None]:
    """Turn a disk error into StorageError."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingFile(f"{Path(error.filename or '').name} is missing") from error
    except OSError as error:
        raise storage_error(error) from error


class LocalStore:
    """See submissions.storage.Store."""

    def __init__(self, root: Path, name: str = "default") -> None:
        self._root = root
        self._part = "datasets" if name == "datasets" else "storage"
        self._incoming = root / "incoming"

    def writer(self, key: str) -> LocalWriter:
        with _typed():
            self._incoming.mkdir(parents=True, exist_ok=True)
            return LocalWriter(self._incoming / uuid.uuid4().hex, self._path(key))

    @contextmanager
    def pieces(self, key: str) -> Iterator[Iterator[bytes]]:
        with _typed(), self._mounted(key), self._path(key).open("rb", buffering=0) as file:
            yield iter(partial(file.read, PIECE_BYTES), b"")

    @contextmanager
    def _mounted(self, key: str) -> Iterator[None]:
        """Name the shared part in the error where not the file but the whole folder is away, as a drive may be."""
        shared = SharedPart(self._part, "", key)
        try:
            yield
        except FileNotFoundError as error:
            missing = MissingFile(f"{Path(key).name} is missing")
            missing.shared = shared if self._is_empty() else None
            raise missing from error
        except OSError as error:
            if error.errno in AWAY:
                raise StorageAway(f"DATA_DIR's files cannot be read ({error.strerror})", shared) from error
            raise

    def _is_empty(self) -> bool:
        """Return whether the folder is gone or holds nothing, as that of a drive that is not mounted."""
        try:
            return next(self._root.iterdir(), None) is None
        except OSError:
            return True

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def size(self, key: str) -> int | None:
        path = self._path(key)
        with _typed(), self._mounted(key):
            return path.stat().st_size if path.is_file() else None

    def check_room(self, size_bytes: int) -> None:
        with _typed():
            self._root.mkdir(parents=True, exist_ok=True)
            disk = os.statvfs(self._root)
        if disk.f_bavail * disk.f_frsize < size_bytes + settings.FREE_SPACE_BYTES:
            raise StorageError("DATA_DIR has too little room for an upload", "SYSTEM_DISK")

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _typed():
            path.unlink(missing_ok=True)
            if path.parent != self._root and path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def url(self, key: str, name: str, seconds: int) -> str:
        """Return a URL of the site itself; its token holds the key and expires."""
        token = signing.dumps({"key": key, "name": name, "until": time.time() + seconds}, salt=DOWNLOAD_SALT)
        return reverse("download", args=[token])

    # Parts

    def begin_parts(self, key: str) -> str:
        handle = f"parts-{uuid.uuid4().hex}"
        with _typed():
            (self._incoming / handle).mkdir(parents=True)
            (self._incoming / handle / "data").touch(MODE)
        return handle

    def received(self, parts: PartsRef) -> set[int]:
        return {n for n in range(1, parts.count + 1) if self._marker(parts, n).exists()}

    def part_url(self, parts: PartsRef, number: int, seconds: int) -> str | None:
        return None

    def part_writer(self, parts: PartsRef, number: int) -> LocalPartWriter:
        offset = (number - 1) * parts.part_bytes
        with _typed():
            return LocalPartWriter(self._folder(parts) / "data", offset, self._marker(parts, number))

    def join(self, parts: PartsRef) -> None:
        if self.received(parts) != set(range(1, parts.count + 1)):
            raise MissingFile("parts are missing")
        with _typed():
            data = self._folder(parts) / "data"
            with data.open("rb") as file, _locked(file.fileno(), fcntl.LOCK_EX):
                _move(data, self._path(parts.key))
        self.drop_parts(parts)

    def drop_parts(self, parts: PartsRef) -> None:
        shutil.rmtree(self._folder(parts), ignore_errors=True)

    def drop_older_than(self, seconds: float) -> int:
        before = time.time() - seconds
        old = [path for path in self._incoming.glob("*") if _touched_at(path) < before]
        for path in old:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return len(old)

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise MissingFile("a key left the store")
        return path

    def _folder(self, parts: PartsRef) -> Path:
        return self._incoming / Path(parts.handle).name

    def _marker(self, parts: PartsRef, number: int) -> Path:
        return self._folder(parts) / f"{number}.whole"


class LocalWriter:
    """A new file, renamed to its key at the end."""

    def __init__(self, unfinished: Path, target: Path) -> None:
        self._unfinished, self._target = unfinished, target
        self._file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        self._is_open = True

    def write(self, piece: bytes) -> None:
        with _typed():
            _write_all(self._file, piece)

    def finish(self) -> None:
        self._close()
        with _typed():
            _move(self._unfinished, self._target)

    def abort(self) -> None:
        self._close()
        self._unfinished.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._file)


class LocalPartWriter:
    """One part, written at its place; marked as complete at the end. A repeated part starts from the beginning.

    Nothing is written once the parts are joined. Otherwise a slow request for a part that another request has sent
    meanwhile would change a file whose digest is already computed.
    """

    def __init__(self, data: Path, offset: int, marker: Path) -> None:
        marker.unlink(missing_ok=True)
        self._data = data
        self._file: Any = data.open("r+b", buffering=0)
        self._file.seek(offset)
        self._marker = marker

    def write(self, piece: bytes) -> None:
        with _typed(), _locked(self._file.fileno(), fcntl.LOCK_SH):
            if not self._data.exists():
                raise MissingFile("the parts were joined or dropped meanwhile")
            _write_all(self._file.fileno(), piece)

    def finish(self) -> None:
        self._file.close()
        with _typed():
            self._marker.touch(MODE)

    def abort(self) -> None:
        self._file.close()


@contextmanager
def _locked(file: int, how: int) -> Iterator[None]:
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _write_all(file: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(file, rest) :]


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)


def _touched_at(path: Path) -> float:
    """Return the last change of a file, or of the newest entry in a folder; a vanished one counts as new."""
    try:
        return max([path.stat().st_mtime, *(item.stat().st_mtime for item in path.glob("*"))])
    except FileNotFoundError:
        return time.time()
