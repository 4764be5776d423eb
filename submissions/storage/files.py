"""Store, fetch, hash and delete files by key. The site makes the keys, never a user: `submissions/<uuid>/…`."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.files.storage import storages

from submissions.storage.base import StorageError, Store, Stored, storage_error
from submissions.storage.local import LocalStore

DOWNLOAD_SECONDS = 300


def store(name: str = "default") -> Store:
    """Return the store of submissions ("default") or of datasets ("datasets"), as set in STORAGES."""
    backend: Any = storages[name]
    if hasattr(backend, "bucket_name"):
        from submissions.storage.s3 import S3Store

        return S3Store(backend, name)
    return LocalStore(Path(backend.path("")), name)


def new_key(name: str) -> str:
    """Return a new key; `name` is the site's own."""
    return f"submissions/{uuid.uuid4()}/{name}"


def stream_in(key: str, pieces: Iterable[bytes]) -> Stored:
    """Store pieces under `key` and hash them on the way; after an error nothing is left."""
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


@contextmanager
def on_this_machine(key: str, name: str = "default", folder: Path | None = None) -> Iterator[Path]:
    """Provide a stored file as one of this machine: where it lies, or as a copy that is gone afterwards.

    folder: where a copy goes. Raises StorageError.
    """
    if local := store(name).local_path(key):
        yield local
        return
    with tempfile.NamedTemporaryFile(dir=folder, suffix=Path(key).suffix) as copy:
        with store(name).pieces(key) as pieces:
            for piece in pieces:
                copy.write(piece)
        copy.flush()
        yield Path(copy.name)


def digest_of(key: str) -> Stored:
    """Read a whole stored file and return its length and digest."""
    digest, size = hashlib.sha256(), 0
    with store().pieces(key) as pieces:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
    return Stored(key, digest.hexdigest(), size)


def head_of(key: str, count: int, of: Store | None = None) -> bytes:
    """Return up to `count` bytes from the beginning of a file stored in `of`, or in the store of submissions."""
    head = b""
    with (of or store()).pieces(key) as pieces:
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
    """Return a URL that serves the file, as an attachment called `name`, for five minutes."""
    return store().url(key, name, DOWNLOAD_SECONDS)


def delete(key: str) -> None:
    """Remove a stored file; harmless if there is none."""
    store().delete(key)
