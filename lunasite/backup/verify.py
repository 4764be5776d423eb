"""Verify a backup: every file is there with its digest, every key that the database names is among them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from django.core.management.base import CommandError

from lunasite.backup import database
from lunasite.backup.manifest import Manifest
from lunasite.backup.places import Folder, Place, scratch_file


class DamagedFile(CommandError):
    """A file of a backup is missing, or not what was written."""


def problems(place: Place, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with a backup, one line each; nothing when it can be restored in full."""
    for name, facts in manifest.parts.items():
        yield from _differs(place, f"backups/{manifest.stamp}/{name}", facts["sha256"], facts["size"])
    for file in manifest.files:
        yield from _differs(place, file.name, file.sha256, file.size)
    present = {(file.store, file.key) for file in manifest.files}
    for store, key in manifest.referenced:
        if (store, key) not in present:
            yield f"{store}/{key}: the database names it, and it is not in the backup"
    yield from _dump_problem(place, manifest)


def _differs(place: Place, name: str, sha256: str, size: int) -> Iterator[str]:
    try:
        for _ in whole_pieces(place, name, sha256, size):
            pass
    except DamagedFile as error:
        yield str(error)


def _dump_problem(place: Place, manifest: Manifest) -> Iterator[str]:
    name = database.NAMES[manifest.vendor]
    if place.size(f"backups/{manifest.stamp}/{name}") is None:
        return  # told already
    with scratch_file() as path:
        Folder(path.parent).put(path.name, place.pieces(f"backups/{manifest.stamp}/{name}"))
        if what := database.problem(path, manifest.vendor):
            yield what


def whole_pieces(place: Place, name: str, sha256: str, size: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of a file. Raises DamagedFile, after the last of them where they are not those of `sha256`.

    size: in bytes, where another one is to be told.
    """
    digest, read = hashlib.sha256(), 0
    try:
        for piece in place.pieces(name):
            digest.update(piece)
            read += len(piece)
            yield piece
    except FileNotFoundError as error:
        raise DamagedFile(f"{name}: missing") from error
    if size not in (None, read):
        raise DamagedFile(f"{name}: {read} bytes instead of {size}")
    if digest.hexdigest() != sha256:
        raise DamagedFile(f"{name}: its content changed (sha256)")
