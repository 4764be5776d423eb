"""Store feedback pictures on disk as FEEDBACK_DIR/<class>/<safe stem>-<hex>.png, always re-encoded."""

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
    """Return a sender's file name reduced to ASCII letters, digits, `_` and `-`; `image` if nothing is left."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return UNSAFE.sub("-", stem).strip("-_")[:STEM_LENGTH] or "image"


def store(png: bytes, label: str, original_name: str) -> StoredPicture:
    """Write the picture into its class's folder, atomically: a reader never sees a partial file."""
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
