"""Files on this machine's disk that can be made again, or that a killed process left behind.

A process that is killed cleans nothing up: a volume half decoded, a starter kit half written, an archive half
unpacked. None of them is part of a backup.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

# Longer than any import may run (submissions.organise.imports.start.MAX_S).
UNFINISHED_AFTER = timedelta(days=2)
UNUSED_AFTER = timedelta(days=30)


def _older(paths: Iterator[Path], since: datetime) -> list[Path]:
    """Return the paths that are there and were changed before `since`."""
    found = []
    for path in paths:
        try:
            if path.stat().st_mtime < since.timestamp():
                found.append(path)
        except FileNotFoundError:  # its process has finished with it
            continue
    return found


def unfinished(now: datetime) -> list[Path]:
    """Return what killed processes left."""
    data = Path(settings.DATA_DIR)
    patterns = ("scratch/import-*", "cache/volumes/*.part", "cache/volumes/*.grid", "cache/volumes/tmp*",
                "cache/starter-kits/.*.zip.*", "client/.*")  # fmt: skip
    return [path for pattern in patterns for path in _older(data.glob(pattern), now - UNFINISHED_AFTER)]


def unused(now: datetime) -> list[Path]:
    """Return decoded volumes that nobody has looked at for long, and starter kits written long ago."""
    cache, since = Path(settings.DATA_DIR) / "cache", now - UNUSED_AFTER
    return _older(cache.glob("volumes/*.npz"), since) + _older(cache.glob("starter-kits/*.zip"), since)


def delete_unfinished(now: datetime) -> int:
    found = unfinished(now)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def delete_unused(now: datetime) -> int:
    """Delete them; of a volume its grid first, without which nobody opens the voxels."""
    found = unused(now)
    for path in found:
        path.unlink(missing_ok=True)
        for beside in (".npy", ".lock") if path.suffix == ".npz" else ():
            path.with_suffix(beside).unlink(missing_ok=True)
    return len(found)
