"""The driver image as a download: a trial at home makes its calls with the same image as the workers."""

from __future__ import annotations

import functools
import gzip
import json
import platform
import secrets
import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from django.conf import settings

from submissions.runner.host.driver_image import DRIVER_DIR, driver_image


@dataclass(frozen=True)
class DriverArchive:
    """A gzipped image archive on this machine's disk, and the ID of the image in it."""

    file_name: str
    image_id: str
    sha256: str
    size_bytes: int

    @property
    def path(self) -> Path:
        return folder() / self.file_name


def folder() -> Path:
    path = Path(settings.DATA_DIR) / "client"
    path.mkdir(parents=True, exist_ok=True)
    return path


def driver_archive() -> DriverArchive:
    """Return the archive for this version of driver and Python; it is built at the first call on this machine."""
    facts = folder() / f"driver-{_version()}.json"
    if facts.is_file():
        found = DriverArchive(**json.loads(facts.read_text()))
        if found.path.is_file():
            return found
    image = driver_image()
    data = gzip.compress(image.archive, 3, mtime=0)
    archive = DriverArchive(f"driver-{_version()}.tar.gz", image.image_id, sha256(data).hexdigest(), len(data))
    replace_file(archive.path, data)
    replace_file(facts, json.dumps(asdict(archive)).encode())
    return archive


@functools.cache
def _version() -> str:
    """Return a digest of the driver's code and the Python that runs it."""
    digest = sha256(f"{sys.version} {platform.machine()}".encode())
    for path in sorted(DRIVER_DIR.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:24]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file atomically; several threads of several web processes may do so at once."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
