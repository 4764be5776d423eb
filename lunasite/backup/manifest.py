"""The manifest of a backup: every file with its digest, and every key that the database names."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import CommandError

from lunasite.backup.places import Place

FORMAT = 1


@dataclass(frozen=True, order=True)
class StoredFile:
    """A file of a store; sha256 in hexadecimal, size in bytes."""

    store: str
    key: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return f"files/{self.store}/{self.key}"


@dataclass(frozen=True)
class Manifest:
    """parts: name to {sha256, size}, below the backup's own folder. referenced: (store, key) that rows name."""

    stamp: str
    code_version: str
    vendor: str
    parts: dict[str, dict[str, Any]]
    files: list[StoredFile]
    referenced: list[tuple[str, str]]

    def as_dict(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, place: Place, stamp: str) -> Manifest:
        """Raise CommandError when there is no such backup, or it was made by a later version."""
        try:
            data = json.loads(b"".join(place.pieces(manifest_name(stamp))))
        except FileNotFoundError as error:
            raise CommandError(
                f"There is no backup {stamp}; there are: {', '.join(stamps(place)) or 'none'}."
            ) from error
        if data.pop("format") != FORMAT:
            raise CommandError(f"Backup {stamp} was made by another version of lunasite ({data['code_version']}).")
        files = [StoredFile(**file) for file in data.pop("files")]
        return cls(files=files, referenced=[tuple(key) for key in data.pop("referenced")], **data)


def manifest_name(stamp: str) -> str:
    return f"backups/{stamp}/manifest.json"


def stamps(place: Place) -> list[str]:
    """Return the complete backups of a place, the oldest first."""
    names = (name for name in place.names("backups/") if name.endswith("/manifest.json"))
    return sorted(name.split("/")[1] for name in names)


def latest(place: Place) -> Manifest | None:
    found = stamps(place)
    return Manifest.read(place, found[-1]) if found else None
