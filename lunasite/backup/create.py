"""Make a backup while the site runs: stored files, then the database, then what was stored meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection

from lunasite.backup import JOB, database, sources
from lunasite.backup.manifest import Manifest, StoredFile, latest, manifest_name, stamps
from lunasite.backup.places import Place, pieces_of, scratch_file
from submissions.database_clock import database_now
from submissions.models import PeriodicJob
from submissions.storage.base import MissingFile
from submissions.storage.files import store


@dataclass(frozen=True)
class Made:
    """missing: (store, key) of files that rows name and the store has not."""

    stamp: str
    files: int
    copied: int
    missing: list[tuple[str, str]]


def create(place: Place, *, with_keys: bool = True) -> Made:
    """Back the whole site up; the manifest is written last. Raises StorageError, CommandError, OSError.

    Stored files never change, so a file is copied once. Those that the dump names were stored before it: the second
    round finds each of them, unless it was deleted, together with its row, since.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    earlier = latest(place)
    copied: dict[tuple[str, str], StoredFile] = {}
    known = {(file.store, file.key): file for file in earlier.files} if earlier else {}
    n_copied = _copy_files(place, known, copied)
    files: dict[str, Any] = {}
    with scratch_file() as path:
        keys = database.dump(path)
        name = database.NAMES[connection.vendor]
        with path.open("rb") as file:
            files[name] = asdict(place.put(f"backups/{stamp}/{name}", pieces_of(file)))
    n_copied += _copy_files(place, known, copied)
    missing = _still_missing([key for key in keys if key not in copied])
    for name, path in sources.changing_files().items():
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # deleted meanwhile
        with file:
            files[name] = asdict(place.put(f"backups/{stamp}/{name}", pieces_of(file)))
    if with_keys:
        files["keys.json"] = asdict(place.put(f"backups/{stamp}/keys.json", [sources.keys()]))
    manifest = Manifest(
        stamp=stamp, code_version=settings.CODE_VERSION, vendor=connection.vendor, parts=files,
        files=sorted(copied.values()), referenced=[key for key in keys if key in copied or key in missing],
    )  # fmt: skip
    place.put(manifest_name(stamp), [json.dumps(manifest.as_dict(), indent=1).encode()])
    now = database_now()
    PeriodicJob.objects.update_or_create(name=JOB, defaults={"done_at": now})
    return Made(stamp, len(copied), n_copied, missing)


def _copy_files(
    place: Place, known: dict[tuple[str, str], StoredFile], copied: dict[tuple[str, str], StoredFile]
) -> int:
    """Copy every stored file that the place does not have yet; return how many."""
    count = 0
    for name in sources.STORES:
        for key, size in sources.stored_keys(name):
            if (name, key) in copied:
                continue
            before = known.get((name, key))
            if before and before.size == size == place.size(before.name):
                copied[name, key] = before
                continue
            try:
                with store(name).pieces(key) as pieces:
                    written = place.put(f"files/{name}/{key}", pieces)
            except MissingFile:
                continue  # deleted meanwhile
            copied[name, key] = StoredFile(name, key, written.sha256, written.size)
            count += 1
    return count


def _still_missing(keys: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the keys that rows name still; the others were deleted together with their rows."""
    now = set(database.referenced()) if keys else set()
    return [key for key in keys if key in now]


def prune(place: Place, keep: int) -> int:
    """Delete all but the newest `keep` backups, and stored files that none of those has; return how many backups."""
    gone = stamps(place)[:-keep]
    for stamp in gone:
        # The manifest first: what is left of a half-deleted backup is then no backup any more.
        place.delete(manifest_name(stamp))
        for name in place.names(f"backups/{stamp}/"):
            place.delete(name)
    if gone:
        kept = {file.name for stamp in stamps(place) for file in Manifest.read(place, stamp).files}
        for name in place.names("files/"):
            if name not in kept:
                place.delete(name)
    return len(gone)
