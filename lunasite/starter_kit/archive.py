"""Write a starter kit once for its inputs; whoever asks later gets the same file."""

from __future__ import annotations

import fcntl
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

from django.conf import settings

from lunasite.starter_kit.contents import Contents
from submissions.models import Phase
from submissions.storage.base import StorageError

FIXED_DATE = (2000, 1, 1, 0, 0, 0)
MODE = 0o644 << 16


def digest_of(contents: Contents) -> str:
    """Return a digest of everything that the zip's bytes depend on."""
    digest = sha256()
    for name, data in sorted(contents.texts.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    for image in contents.images:
        digest.update(f"{image.name}\0{image.identity}\0".encode())
    return digest.hexdigest()


def kit_file(phase: Phase, contents: Contents, digest: str) -> Path:
    """Return the zip on this machine's disk; the first to ask for it writes it. Raises StorageError."""
    path = kit_path(phase, digest)
    if path.is_file():
        return path
    with (folder() / f"{phase.pk}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            for earlier in folder().glob(f"{phase.pk}-*.zip"):
                earlier.unlink(missing_ok=True)
            # Of the phase, and not of the process: what a killed one has left is overwritten.
            _write(path, folder() / f"{phase.pk}.part", contents, phase.slug)
    return path


def kit_path(phase: Phase, digest: str) -> Path:
    return folder() / f"{phase.pk}-{digest[:32]}.zip"


def folder() -> Path:
    path = Path(settings.DATA_DIR) / "cache" / "starter-kits"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _write(path: Path, part: Path, contents: Contents, root: str) -> None:
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name, data in sorted(contents.texts.items()):
                archive.writestr(_entry(f"{root}/{name}", zipfile.ZIP_DEFLATED), data)
            for image in contents.images:
                # Stored: volumes and pictures are compressed already.
                with archive.open(_entry(f"{root}/{image.name}", zipfile.ZIP_STORED), "w", force_zip64=True) as file:
                    _check_room()
                    for piece in image.pieces():
                        file.write(piece)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _check_room() -> None:
    """Raise StorageError before the disk is full: a kit can wait, and what is submitted cannot."""
    if shutil.disk_usage(folder()).free < settings.FREE_SPACE_BYTES + settings.MAX_VOLUME_BYTES:
        raise StorageError("DATA_DIR has too little room for a starter kit", "SYSTEM_DISK")


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, FIXED_DATE)
    info.compress_type, info.external_attr = method, MODE
    return info
