"""The folder that workers and nodes share: images as folders, tags, one folder a job.

bundles/<digest>/   `rootfs` with the owners that containers have, `image.json` as an engine's `inspect` has it
tags/<name>         the ID of an image, as the file's content
jobs/<job's name>/  what a job is to do, and what it says
programs/<digest>/  the code that jobs run
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from submissions.runner.engine.responses import engine_image
from submissions.runner.values import EngineImage

FOLDERS = ("bundles", "tags", "jobs", "layouts", "programs", "trash")
PIECE_BYTES = 1 << 20
MAX_CONFIG_BYTES = 8 << 20
MEDIA = "application/vnd.oci.image"


def bundle_of(store: Path, image_id: str) -> Path:
    return store / "bundles" / image_id.removeprefix("sha256:")


def known_image(store: Path, reference: str) -> EngineImage | None:
    """Return what is known of an image by its ID or a tag, None where there is none."""
    image_id = reference if reference.startswith("sha256:") else tagged(store, reference)
    try:
        return engine_image(json.loads((bundle_of(store, image_id) / "image.json").read_text())) if image_id else None
    except FileNotFoundError:
        return None


def image_config(store: Path, image_id: str) -> dict[str, Any]:
    """Return the `config` of an image: command, variables, user. Raises OSError where there is no such image."""
    inspected = json.loads((bundle_of(store, image_id) / "image.json").read_text())
    return dict(inspected.get("Config") or {})


# Tags


def tagged(store: Path, name: str) -> str:
    """Return the ID a tag leads to, "" where there is no such tag."""
    try:
        return _tag_path(store, name).read_text()
    except FileNotFoundError:
        return ""


def set_tag(store: Path, name: str, image_id: str) -> None:
    path = _tag_path(store, name)
    part = path.with_name(f".part-{secrets.token_hex(6)}")
    part.write_text(image_id)
    part.rename(path)


def drop_tag(store: Path, name: str) -> bool:
    try:
        _tag_path(store, name).unlink()
    except FileNotFoundError:
        return False
    return True


def all_tags(store: Path) -> dict[str, list[str]]:
    """Return all tags by image ID."""
    found: dict[str, list[str]] = {}
    for path in sorted((store / "tags").iterdir()):
        if not path.name.startswith(".part-") and (image_id := tagged(store, unquote(path.name))):
            found.setdefault(image_id, []).append(unquote(path.name))
    return found


def _tag_path(store: Path, name: str) -> Path:
    return store / "tags" / quote(name, safe="")


# From the archive that intake wrote to an OCI layout, which is unpacked in a job


class NotAnArchive(Exception):
    """The bytes are no archive of an image."""


def write_layout(folder: Path, archive: Iterable[bytes]) -> str:
    """Write an archive of `docker load` as an OCI layout with the tag `image`; return the image's ID.

    Raises NotAnArchive.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    stored: dict[str, tuple[str, int]] = {}
    try:
        with tarfile.open(fileobj=_Pieces(archive), mode="r|") as members:  # type: ignore[call-overload]
            for member in members:
                if member.isreg():
                    stored[member.name] = _store_blob(blobs, members.extractfile(member))
        manifest = json.loads(_small(blobs, stored, "manifest.json"))[0]
        config, layers = stored[manifest["Config"]], [stored[name] for name in manifest["Layers"]]
    except (tarfile.TarError, LookupError, ValueError, TypeError) as error:
        raise NotAnArchive(f"{type(error).__name__}: {error}") from error
    _write_index(folder, blobs, config, layers)
    return f"sha256:{config[0]}"


def drop_layouts(store: Path, before: float) -> None:
    """Remove the layouts that were begun before a time, in seconds since the epoch."""
    for folder in (store / "layouts").iterdir():
        with suppress(FileNotFoundError):  # another worker is faster
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


def _store_blob(blobs: Path, content: Any) -> tuple[str, int]:
    part, digest, size = blobs / f".part-{secrets.token_hex(6)}", sha256(), 0
    with open(part, "wb") as out:
        while piece := content.read(PIECE_BYTES):
            digest.update(piece)
            size += out.write(piece)
    part.rename(blobs / digest.hexdigest())
    return digest.hexdigest(), size


def _small(blobs: Path, stored: dict[str, tuple[str, int]], name: str) -> bytes:
    digest, size = stored[name]
    if size > MAX_CONFIG_BYTES:
        raise NotAnArchive(f"{name} has {size} bytes")
    return (blobs / digest).read_bytes()


def _write_index(folder: Path, blobs: Path, config: tuple[str, int], layers: list[tuple[str, int]]) -> None:
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": _descriptor("config.v1+json", *config),
        "layers": [_descriptor("layer.v1.tar", *layer) for layer in layers],
    }
    text = json.dumps(manifest).encode()
    digest = sha256(text).hexdigest()
    (blobs / digest).write_bytes(text)
    entry = _descriptor("manifest.v1+json", digest, len(text))
    entry["annotations"] = {"org.opencontainers.image.ref.name": "image"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": size}


def inspected(layout: Path, image_id: str) -> dict[str, Any]:
    """Return an image of a layout as an engine's `inspect` would. Raises ValueError, TypeError, KeyError, OSError."""
    path = layout / "blobs" / "sha256" / image_id.removeprefix("sha256:")
    config = json.loads(path.read_bytes())
    layers = list(config["rootfs"]["diff_ids"])
    size = sum(blob.stat().st_size for blob in path.parent.iterdir())
    return {"Id": image_id, "Config": config.get("config") or {}, "RootFS": {"Layers": layers}, "Size": size}


class _Pieces:
    """An iterator of bytes as a stream to read; a piece is never copied as a whole."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._piece, self._at = b"", 0

    def read(self, size: int) -> bytes:
        taken: list[bytes] = []
        while size > 0:
            if self._at >= len(self._piece):
                self._piece, self._at = next(self._pieces, b""), 0
                if not self._piece:
                    break
            some = self._piece[self._at : self._at + size]
            self._at += len(some)
            size -= len(some)
            taken.append(some)
        return b"".join(taken)


def prepare(store: Path) -> None:
    """Make the folders of a store that is new."""
    for name in FOLDERS:
        (store / name).mkdir(parents=True, exist_ok=True)
    for place in (store, *(store / name for name in FOLDERS)):
        if os.access(place, os.W_OK) and place.stat().st_uid == os.geteuid():
            place.chmod(0o755)
