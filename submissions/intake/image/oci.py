"""Read an OCI image layout: the image manifests that its indexes lead to (image-spec 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from submissions.intake.image import go_json
from submissions.intake.image.contents import Contents
from submissions.intake.image.errors import bad_manifest
from submissions.intake.image.go_json import BadJson

_MAX_INDEX_DEPTH = 4
_MAX_INDEX_ENTRIES = 256
_CONFIG_TYPES = (
    "",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_LAYER_TYPES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


@dataclass(frozen=True)
class OciManifest:
    """One image manifest; `platform` as its index gives it, {} if the index gives none."""

    manifest: dict[str, Any]
    platform: dict[str, Any]


def image_manifests(contents: Contents) -> list[OciManifest]:
    """Return the image manifests below `index.json`, each once.

    Everything else is left out: signatures, attestations and other artifacts. So are the entries of a multi-platform
    list
    whose blobs were not saved with it. Raises ParticipantError (IMAGE_BAD_MANIFEST), BadJson.
    """
    found: dict[str, OciManifest] = {}
    blobs: dict[str, dict[str, Any] | None] = {}  # each is read once, however often it is listed
    level = [json_object(json_member("index.json", contents), "index.json")]
    for _ in range(_MAX_INDEX_DEPTH):
        deeper = []
        for descriptor in _descriptors(level):
            digest = go_json.text_field(descriptor, "digest")
            if digest not in blobs:
                blobs[digest] = _object_blob(descriptor, contents)
            blob = blobs[digest]
            if blob is None or _is_artifact(descriptor) or _is_artifact(blob):
                continue
            if go_json.field(blob, "manifests") is not None:
                deeper.append(blob)
            elif _has_image_types(blob):
                platform = go_json.object_field(descriptor, "platform")
                found[digest] = OciManifest(blob, platform)
        level = deeper
    if level:
        raise bad_manifest("The archive's indexes are nested too deeply.")
    return list(found.values())


def _descriptors(indexes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    listed = [item for index in indexes for item in go_json.list_field(index, "manifests")]
    if len(listed) > _MAX_INDEX_ENTRIES:
        raise bad_manifest("The archive's index lists too many entries.")
    return [entry for entry in (json_object(item, "An index entry") for item in listed) if not _is_attestation(entry)]


def _is_attestation(descriptor: dict[str, Any]) -> bool:
    """Return whether buildkit marked the entry as an attestation."""
    annotations = go_json.object_field(descriptor, "annotations")
    platform = go_json.object_field(descriptor, "platform")
    is_of_no_platform = go_json.field(platform, "os") == "unknown"
    return is_of_no_platform or annotations.get("vnd.docker.reference.type") == "attestation-manifest"


def _is_artifact(value: dict[str, Any]) -> bool:
    """Return whether a descriptor, manifest or index is an artifact, or refers to an image instead of being one."""
    return bool(go_json.text_field(value, "artifactType")) or go_json.field(value, "subject") is not None


def _has_image_types(manifest: dict[str, Any]) -> bool:
    """Return whether the media types of a manifest, if given, are those of an image."""
    config = go_json.object_field(manifest, "config")
    if go_json.text_field(config, "mediaType") not in _CONFIG_TYPES:
        return False
    layers = [json_object(layer, "A layer") for layer in go_json.list_field(manifest, "layers")]
    types = [go_json.text_field(layer, "mediaType") for layer in layers]
    return not types or any(not kind or kind.startswith(_LAYER_TYPES) for kind in types)


def _object_blob(descriptor: dict[str, Any], contents: Contents) -> dict[str, Any] | None:
    """Return the JSON object a descriptor points to; None if its blob is not in the archive."""
    name = blob_name(descriptor)
    file = contents.file(name)
    if file is None:
        return None
    if file.sha256 != name.rpartition("/")[2]:
        raise bad_manifest("A manifest does not have the digest that names it.")
    return json_object(json_member(name, contents), "A manifest")


def blob_name(descriptor: dict[str, Any]) -> str:
    """Return the member that holds a descriptor's blob. Raises ParticipantError (IMAGE_BAD_MANIFEST)."""
    algorithm, _, digest = go_json.text_field(descriptor, "digest").partition(":")
    if algorithm != "sha256" or not is_sha256(digest):
        raise bad_manifest("The archive's index holds a digest that is not sha256.")
    return f"blobs/sha256/{digest}"


def is_sha256(digest: str) -> bool:
    """Return whether `digest` is 64 lower-case hexadecimal digits."""
    return len(digest) == 64 and not digest.strip("0123456789abcdef")


def json_member(name: str, contents: Contents) -> Any:
    """Return the JSON of a member. Raises ParticipantError (IMAGE_BAD_MANIFEST), BadJson."""
    member = contents.files.get(name)
    if member is None or member.text is None:
        raise bad_manifest("The archive's manifest is not a small JSON file. Make it with `docker save -o model.tar`.")
    return go_json.parse(member.text)


def json_object(value: Any, what: str) -> dict[str, Any]:
    """Return `value` if it is a JSON object. Raises BadJson."""
    if not isinstance(value, dict):
        raise BadJson(f"{what} is not an object")
    return value
