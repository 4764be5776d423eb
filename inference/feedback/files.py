"""Pictures of feedback on the disk: FEEDBACK_DIR/<class>/<safe stem>-<hex>.png, re-encoded, never as sent."""

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings

from inference.slice_classes import SLICE_CLASSES

UNSAFE = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)
STEM_LENGTH = 40


@dataclass(frozen=True)
class StoredPicture:
    """relative_path: below FEEDBACK_DIR, with forward slashes."""

    relative_path: str
    sha256: str


def safe_stem(name: str) -> str:
    """Return what may stay of a sender's file name: ASCII letters, digits, `_`, `-`, or `image`."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return UNSAFE.sub("-", stem).strip("-_")[:STEM_LENGTH] or "image"


def store(png: bytes, label: str, original_name: str) -> StoredPicture:
    """Write the picture under its class; a reader never sees half of it."""
    if label not in SLICE_CLASSES:
        raise ValueError(f"no such class: {label!r}")
    name = f"{safe_stem(original_name)}-{secrets.token_hex(8)}.png"
    folder = Path(settings.FEEDBACK_DIR) / label
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.part"
    try:
        with partial.open("xb") as file:
            file.write(png)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(folder / name)
    finally:
        partial.unlink(missing_ok=True)
    return StoredPicture(f"{label}/{name}", hashlib.sha256(png).hexdigest())


def remove(relative_path: str) -> None:
    (Path(settings.FEEDBACK_DIR) / relative_path).unlink(missing_ok=True)
