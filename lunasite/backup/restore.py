"""Restore a backup into this site: the database first, then every stored file that is not there already."""

from __future__ import annotations

from dataclasses import dataclass

from lunasite.backup import database, sources
from lunasite.backup.manifest import Manifest, StoredFile
from lunasite.backup.places import Folder, Place, scratch_file
from lunasite.backup.verify import DamagedFile, whole_pieces
from submissions.storage.files import store


@dataclass(frozen=True)
class Restored:
    """damaged: what the backup has no whole copy of, a line each.

    overridden: keys that the environment sets to something else than the backup has.
    """

    files: int
    written: int
    damaged: list[str]
    overridden: list[str]


def restore(place: Place, manifest: Manifest) -> Restored:
    """Restore everything that is whole, or nothing where the dump is not; running it again is harmless.

    Raises CommandError, StorageError, OSError.
    """
    dump = database.dump_name(manifest.vendor)
    with scratch_file() as path:
        Folder(path.parent).put(path.name, whole_pieces(place, *_part(manifest, dump)))
        database.restore(path)
    written = 0
    damaged: list[str] = []
    overridden: list[str] = []
    for file in manifest.files:
        try:
            written += _restore_file(place, file)
        except DamagedFile as error:
            damaged.append(str(error))
    for name in [each for each in manifest.parts if each != dump]:
        try:
            overridden += _restore_part(place, manifest, name)
        except DamagedFile as error:
            damaged.append(str(error))
    return Restored(len(manifest.files), written, damaged, overridden)


def _part(manifest: Manifest, name: str) -> tuple[str, str]:
    """Return the name in the place, and the digest, of a file of the backup's own."""
    return f"backups/{manifest.stamp}/{name}", manifest.parts[name]["sha256"]


def _restore_part(place: Place, manifest: Manifest, name: str) -> list[str]:
    """Write a file of feedback or drift, or the keys; return the keys that the environment overrides."""
    pieces = whole_pieces(place, *_part(manifest, name))
    if name == "keys.json":
        return sources.restore_keys(b"".join(pieces))
    target = sources.place_of(name)
    Folder(target.parent).put(target.name, pieces)
    return []


def _restore_file(place: Place, file: StoredFile) -> bool:
    """Write one stored file; return False where the store has it already."""
    target = store(file.store)
    if target.size(file.key) == file.size:
        return False
    writer = target.writer(file.key)
    try:
        for piece in whole_pieces(place, file.name, file.sha256):
            writer.write(piece)
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return True
