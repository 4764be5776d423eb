"""Turn an image in a registry into an OCI archive, blob by blob; the archive is then scanned like an upload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from tarfile import GNU_FORMAT, TarInfo
from typing import Any

from submissions.faults import ParticipantError
from submissions.intake.image import go_json
from submissions.intake.image.go_json import BadJson
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.oci import is_sha256, json_object
from submissions.intake.tar_block import BLOCK_BYTES
from submissions.registry.client import MAX_MANIFEST_BYTES, RegistryClient
from submissions.registry.reference import ImageReference

_LIMITS = ArchiveLimits()
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Blob:
    """A blob as listed in a manifest. size_bytes: the exact size."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class RemoteImage:
    """An image's manifest, parsed and bounded; no layer has been fetched yet."""

    manifest: bytes
    blobs: tuple[Blob, ...]

    @property
    def size_bytes(self) -> int:
        """The total size of its layers and config."""
        return sum(blob.size_bytes for blob in self.blobs)


def remote_image(client: RegistryClient, reference: ImageReference, max_bytes: int) -> RemoteImage:
    """Return the image that a reference points to; from an index, the image for linux/amd64.

    Raises ParticipantError (also IMAGE_TOO_LARGE, IMAGE_TOO_MANY_LAYERS, IMAGE_ARCHITECTURE), RegistryUnavailable.
    """
    try:
        text = client.manifest(reference.digest)
        manifest = json_object(go_json.parse(text), "The manifest")
        if go_json.field(manifest, "manifests") is not None:
            text = client.manifest(_our_platform(manifest))
            manifest = json_object(go_json.parse(text), "The manifest")
        blobs = _blobs(manifest)
    except BadJson as error:
        raise ParticipantError("IMAGE_BAD_MANIFEST", staff_detail=str(error)) from error
    image = RemoteImage(text, blobs)
    if len(blobs) - 1 > _LIMITS.max_layers:
        raise ParticipantError("IMAGE_TOO_MANY_LAYERS")
    if image.size_bytes > max_bytes:
        raise ParticipantError("IMAGE_TOO_LARGE", f"Its layers have {image.size_bytes:,} bytes; at most {max_bytes:,}.")
    return image


def oci_archive(client: RegistryClient, image: RemoteImage) -> Iterator[bytes]:
    """Yield an OCI archive of the image, each blob once, checked against its digest as it streams through."""
    manifest_digest = f"sha256:{sha256(image.manifest).hexdigest()}"
    listed = {"mediaType": _MANIFEST_TYPE, "digest": manifest_digest, "size": len(image.manifest)}
    index = json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode()
    yield _member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield _member("index.json", index)
    yield _member(_blob_path(manifest_digest), image.manifest)
    for blob in {blob.digest: blob for blob in image.blobs}.values():
        yield _header(_blob_path(blob.digest), blob.size_bytes)
        yield from client.blob(blob.digest, blob.size_bytes)
        yield bytes(-blob.size_bytes % BLOCK_BYTES)
    yield bytes(2 * BLOCK_BYTES)


def _our_platform(index: dict[str, Any]) -> str:
    """Return the digest of the image for linux/amd64 in an index. Raises ParticipantError (IMAGE_ARCHITECTURE).

    A platform may be left out (image-spec 1.1): then the only image without one is taken, whose config decides.
    """
    nameless = []
    for entry in go_json.list_field(index, "manifests"):
        descriptor = json_object(entry, "An index entry")
        platform = go_json.object_field(descriptor, "platform")
        names = [go_json.text_field(platform, name) for name in ("os", "architecture", "variant")]
        if names[:2] == ["linux", "amd64"] and names[2] in ("", "v1"):
            return _blob(descriptor, MAX_MANIFEST_BYTES).digest
        if not any(names) and not go_json.field(descriptor, "artifactType"):
            nameless.append(descriptor)
    if len(nameless) == 1:
        return _blob(nameless[0], MAX_MANIFEST_BYTES).digest
    raise ParticipantError("IMAGE_ARCHITECTURE", "The index lists no image for linux/amd64.")


def _blobs(manifest: dict[str, Any]) -> tuple[Blob, ...]:
    described = [go_json.object_field(manifest, "config"), *go_json.list_field(manifest, "layers")]
    return tuple(_blob(json_object(item, "A layer"), 2**63) for item in described)


def _blob(descriptor: dict[str, Any], max_bytes: int) -> Blob:
    algorithm, _, digest = go_json.text_field(descriptor, "digest").partition(":")
    size = go_json.field(descriptor, "size")
    if algorithm != "sha256" or not is_sha256(digest):
        raise BadJson("a digest is not sha256")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= max_bytes:
        raise BadJson("a size is not a number of bytes")
    return Blob(f"sha256:{digest}", size)


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _member(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % BLOCK_BYTES)


def _header(name: str, size: int) -> bytes:
    member = TarInfo(name)
    member.size = size
    return member.tobuf(GNU_FORMAT)
