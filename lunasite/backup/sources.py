"""What a backup consists of beside the database: stored files, feedback, drift, keys."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import storages

STORES = ("default", "datasets")
# Unfinished uploads of the local store; of the S3 store they are no objects yet.
INCOMING = "incoming/"
KEYS = {"SECRET_KEY": "secret_key", "RECORD_SIGNING_KEY": "record_signing_key"}


def stored_keys(name: str) -> Iterator[tuple[str, int]]:
    """Yield (key, bytes) of every file of a store."""
    backend: Any = storages[name]
    if hasattr(backend, "bucket_name"):
        client = backend.connection.meta.client
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=backend.bucket_name):
            yield from ((item["Key"], item["Size"]) for item in page.get("Contents", ()))
        return
    root = Path(backend.path(""))
    for path in _files_below(root):
        key = path.relative_to(root).as_posix()
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # deleted meanwhile
            continue
        if not key.startswith(INCOMING):
            yield key, size


def changing_files() -> dict[str, Path]:
    """Return the files that may change, by their names in a backup."""
    feedback = Path(settings.FEEDBACK_DIR)
    found = {
        f"feedback/{path.relative_to(feedback).as_posix()}": path
        for path in _files_below(feedback)
        if not path.name.endswith(".part")
    }
    drift = Path(settings.DRIFT_CURRENT_PATH)
    return found | ({"drift/current.csv": drift} if drift.is_file() else {})


def _files_below(root: Path) -> list[Path]:
    """Return the files below a folder, sorted. Folders may go meanwhile, which `rglob` does not allow."""
    return sorted(Path(folder, name) for folder, _, names in os.walk(root, onerror=_unless_gone) for name in names)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | PermissionError):  # a disk's `lost+found` is root's
        raise error


def place_of(name: str) -> Path:
    """Return where a file of `changing_files` belongs on this site."""
    kind, _, rest = name.partition("/")
    root = Path(settings.FEEDBACK_DIR) if kind == "feedback" else Path(settings.DRIFT_CURRENT_PATH).parent
    path = (root / rest).resolve() if kind == "feedback" else Path(settings.DRIFT_CURRENT_PATH)
    if kind == "feedback" and not path.is_relative_to(root.resolve()):
        raise ValueError(f"{name} leaves the folder of feedback")
    return path


def keys() -> bytes:
    return json.dumps({name: getattr(settings, name) for name in KEYS}).encode()


def restore_keys(data: bytes) -> list[str]:
    """Write the keys where the settings read them; return those that the environment overrides."""
    overridden = []
    for name, value in json.loads(data).items():
        if os.environ.get(name) or os.environ.get(f"{name}_FILE"):
            overridden += [name] if getattr(settings, name) != value else []
            continue
        path = Path(settings.DATA_DIR) / KEYS[name]
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(value)
    return overridden
