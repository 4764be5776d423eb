"""Tiny image archives, built member by member so that a test can bend any of them; what intake says of them."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from submissions.faults import ParticipantError
from submissions.intake.image.facts import ImageFacts
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.scan import DEFAULT_LIMITS, scan_archive


def scan(data: bytes, limits: ArchiveLimits = DEFAULT_LIMITS) -> ImageFacts:
    return scan_archive(io.BytesIO(data), limits)


def code_of(data: bytes, limits: ArchiveLimits = DEFAULT_LIMITS) -> str:
    """Return the code with which an archive is refused."""
    with pytest.raises(ParticipantError) as caught:
        scan(data, limits)
    return caught.value.code


@dataclass
class Member:
    """One tar member; `header` overrides fields of its TarInfo."""

    name: str
    data: bytes = b""
    header: dict[str, Any] = field(default_factory=dict)


def tar(members: Iterable[Member], format: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of `members`, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size = len(member.data)
            for name, value in member.header.items():
                setattr(info, name, value)
            archive.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


def layer(name: str = "app/model.py", data: bytes = b"print('hello')\n") -> bytes:
    """Return a layer's own tar with one file in it."""
    return tar([Member(name, data)])


def digest(data: bytes) -> str:
    """Return "sha256:…" of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(layers: list[bytes], **requested: Any) -> dict[str, Any]:
    """Return an image config over `layers`; keyword arguments go into its inner `config`."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["python", "/app/model.py"]} | requested,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
    }


def docker_members(
    layers: list[bytes],
    image: Any = None,
    manifest: Any = None,
    stored: list[bytes] | None = None,
    tags: list[str] | None = None,
) -> list[Member]:
    """Return the members of a `docker save` archive: layers, config, manifest last.

    image, manifest: replace the config and manifest.json; bytes are stored as they are.
    stored: what lies in the archive for each layer, where that is not the layer itself.
    """
    config_bytes = as_bytes(config(layers) if image is None else image)
    config_name = hashlib.sha256(config_bytes).hexdigest() + ".json"
    names = [f"{number:03d}/layer.tar" for number in range(len(layers))]
    if manifest is None:
        manifest = [{"Config": config_name, "RepoTags": tags, "Layers": names}]
    return [
        *(Member(name, data) for name, data in zip(names, stored or layers, strict=True)),
        Member(config_name, config_bytes),
        Member("manifest.json", as_bytes(manifest)),
    ]


def docker_archive(layers: list[bytes] | None = None, **changes: Any) -> bytes:
    """Return a `docker save` archive; arguments as for `docker_members`."""
    return tar(docker_members([layer()] if layers is None else layers, **changes))


def oci_members(images: list[dict[str, Any]], descriptors: list[dict[str, Any]] | None = None) -> list[Member]:
    """Return an OCI layout. Each image: {"layers": [bytes], "stored": [bytes] (optional), "config": …}."""
    blobs: dict[str, bytes] = {}
    listed = [_store(blobs, _oci_manifest(blobs, **image)) for image in images]
    index = {"schemaVersion": 2, "manifests": listed + (descriptors or [])}
    return [
        Member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        Member("index.json", as_bytes(index)),
        *(Member(blob_name(name), data) for name, data in blobs.items()),
    ]


def blob_name(name: str) -> str:
    """Return the member of a digest "sha256:…"."""
    return "blobs/" + name.replace(":", "/")


def oci_archive(layers: list[bytes] | None = None, stored: list[bytes] | None = None) -> bytes:
    """Return an OCI archive of one image, its layers gzip-compressed unless `stored` says otherwise."""
    layers = [layer()] if layers is None else layers
    stored = [gzip.compress(item) for item in layers] if stored is None else stored
    return tar(oci_members([{"layers": layers, "stored": stored}]))


def as_bytes(value: Any) -> bytes:
    """Return JSON of `value`, or the bytes it already is."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def _oci_manifest(
    blobs: dict[str, bytes], layers: list[bytes], stored: list[bytes] | None = None, image: Any = None
) -> bytes:
    config_bytes = as_bytes(config(layers) if image is None else image)
    return as_bytes(
        {
            "schemaVersion": 2,
            "config": _store(blobs, config_bytes),
            "layers": [_store(blobs, data) for data in stored or layers],
        }
    )


def _store(blobs: dict[str, bytes], data: bytes) -> dict[str, Any]:
    blobs[digest(data)] = data
    return {"digest": digest(data), "size": len(data)}
