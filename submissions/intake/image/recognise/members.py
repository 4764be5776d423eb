"""Recognise a tar without an image by the names of its members."""

from __future__ import annotations

import re
from collections.abc import Iterable
from posixpath import basename

from submissions.intake.image.recognise.words import CONTAINER_EXPORT, SOURCE_FOLDER

_IMAGE_PART = re.compile(
    r"(?:[^/]+/)?(?:manifest\.json|index\.json|oci-layout|repositories|blobs(?:/.*)?|(?:sha256:)?[0-9a-f]{64}(?:[./].*)?)"
)
_ROOT_FOLDERS = frozenset(
    (
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "mnt",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "usr",
        "var",
    )
)
_MIN_ROOT_FOLDERS = 6
_BUILD_FILES = frozenset(("Dockerfile", "Containerfile", "dockerfile"))


def is_image_part(name: str) -> bool:
    """Return whether a saved image may have a member of this name, at its top or one folder down."""
    return _IMAGE_PART.fullmatch(name) is not None


def is_left_by_macos(name: str) -> bool:
    """Return whether macOS's tar or Finder added the member; it holds none of the user's data."""
    return basename(name).startswith("._") or basename(name) == ".DS_Store" or name.startswith("__MACOSX")


def foreign_tar(names: Iterable[str]) -> str | None:
    """Return a sentence about a tar with such members that is not an image; None if it is not recognised.

    names: any number of the first member names, normalised.
    """
    names = [name for name in names if not is_left_by_macos(name)]
    if any(is_image_part(name) for name in names):
        return None
    if ".dockerenv" in names or len(_ROOT_FOLDERS & {name.partition("/")[0] for name in names}) >= _MIN_ROOT_FOLDERS:
        return CONTAINER_EXPORT
    if any(basename(name) in _BUILD_FILES and name.count("/") <= 1 for name in names):
        return SOURCE_FOLDER
    return None
