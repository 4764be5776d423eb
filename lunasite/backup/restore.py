"""Restore a backup into this site: the database first, then every stored file that is not there already."""

from __future__ import annotations

from dataclasses import dataclass

from lunasite.backup import database, sources
from lunasite.backup.manifest import Manifest
from lunasite.backup.places import Place, scratch_file
from lunasite.backup.verify import fetch
from submissions.storage.files import store


@dataclass(frozen=True)
class Restored:
    """overridden: keys that the environment sets to something else than the backup has."""

    files: int
    written: int
    overridden: list[str]


def restore(place: Place, manifest: Manifest) -> Restored:
    """Restore everything. Raises CommandError, StorageError, OSError; running it again is harmless."""
    folder = f"backups/{manifest.stamp}"
    with scratch_file() as path:
        fetch(place, f"{folder}/{database.NAMES[manifest.vendor]}", path)
        database.restore(path, manifest.vendor)
    written = sum(_restore_file(place, file.store, file.key, file.name, file.size) for file in manifest.files)
    for name in manifest.parts:
        if name.startswith(("feedback/", "drift/")):
            target = sources.place_of(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(place, f"{folder}/{name}", target)
    overridden: list[str] = []
    if "keys.json" in manifest.parts:
        overridden = sources.restore_keys(b"".join(place.pieces(f"{folder}/keys.json")))
    return Restored(len(manifest.files), written, overridden)


def _restore_file(place: Place, store_name: str, key: str, name: str, size: int) -> bool:
    """Write one stored file; return False where the store has it already."""
    target = store(store_name)
    if target.size(key) == size:
        return False
    writer = target.writer(key)
    try:
        for piece in place.pieces(name):
            writer.write(piece)
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return True
