"""Find the one image in an archive: Docker's `manifest.json`, or an OCI `index.json`.

`docker save` writes the first (newer engines both), podman, skopeo and buildkit either.
"""

from dataclasses import dataclass
from typing import Any

from submissions.intake.image import go_json
from submissions.intake.image.contents import ArchiveMember, Contents
from submissions.intake.image.errors import ArchiveError, shown
from submissions.intake.image.go_json import BadJson
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.tar import normalised

_MAX_INDEX_DEPTH = 4
_MAX_INDEX_ENTRIES = 256


@dataclass(frozen=True)
class FoundImage:
    """One image's parts as members of the archive; layers bottom first."""

    layout: str
    config: ArchiveMember
    layers: tuple[ArchiveMember, ...]


def find_image(contents: Contents, limits: ArchiveLimits) -> FoundImage:
    """Return the archive's only image.

    Raises ArchiveError: IMAGE_NO_MANIFEST, IMAGE_BAD_MANIFEST, IMAGE_COUNT, IMAGE_BAD_CONFIG,
    IMAGE_TOO_MANY_LAYERS, IMAGE_LAYER_MISMATCH.
    """
    try:
        if _is_member("manifest.json", contents):
            return _docker_image(contents, limits)
        if _is_member("index.json", contents):
            return _oci_image(contents, limits)
    except BadJson as error:
        raise bad_manifest(f"The archive's manifest cannot be used: {error}.") from error
    raise ArchiveError(
        "IMAGE_NO_MANIFEST", "The archive holds no image: no manifest.json. Make it with `docker save IMAGE`."
    )


def bad_manifest(note: str) -> ArchiveError:
    """Return an IMAGE_BAD_MANIFEST error."""
    return ArchiveError("IMAGE_BAD_MANIFEST", note)


def _is_member(name: str, contents: Contents) -> bool:
    return name in contents.files or name in contents.links or name in contents.directories


# ---- Docker


def _docker_image(contents: Contents, limits: ArchiveLimits) -> FoundImage:
    images = _json_member("manifest.json", contents)
    if not isinstance(images, list) or not images or not all(isinstance(image, dict) for image in images):
        raise bad_manifest("manifest.json does not list an image. Make the archive with `docker save IMAGE`.")
    _expect_one(len(images))
    config_name = _member_name(go_json.text_field(images[0], "Config"), limits)
    layer_names = go_json.text_list_field(images[0], "Layers")
    _check_layer_count(len(layer_names), limits)
    layers = tuple(_layer(_member_name(name, limits), contents) for name in layer_names)
    return FoundImage("docker", _config(config_name, contents), layers)


def _member_name(name: str, limits: ArchiveLimits) -> str:
    try:
        return normalised(name, limits)
    except ArchiveError as error:
        raise bad_manifest(f"manifest.json names {shown(name)}, which no member can be called.") from error


# ---- OCI


def _oci_image(contents: Contents, limits: ArchiveLimits) -> FoundImage:
    index = _object(_json_member("index.json", contents), "index.json")
    manifests = _image_manifests(index, contents)
    _expect_one(len(manifests))
    manifest = next(iter(manifests.values()))
    layers = go_json.list_field(manifest, "layers")
    _check_layer_count(len(layers), limits)
    config_name = _blob_name(go_json.object_field(manifest, "config"))
    config = _config(config_name, contents)
    if config.sha256 != config_name.rpartition("/")[2]:
        raise ArchiveError("IMAGE_BAD_CONFIG", "The image's config does not have the digest that names it.")
    return FoundImage("oci", config, tuple(_oci_layer(layer, contents) for layer in layers))


def _image_manifests(index: dict[str, Any], contents: Contents) -> dict[str, dict[str, Any]]:
    """Return the image manifests below an index by digest.

    What is no image is left out: buildkit's attestations, and, of a list for several platforms,
    entries whose blobs were not saved with it.
    """
    found: dict[str, dict[str, Any]] = {}
    level = [index]
    for _ in range(_MAX_INDEX_DEPTH):
        deeper = []
        for descriptor in _descriptors(level):
            blob = _object_blob(descriptor, contents)
            if blob is not None and go_json.field(blob, "manifests") is not None:
                deeper.append(blob)
            elif blob is not None:
                found[go_json.text_field(descriptor, "digest")] = blob
        level = deeper
    if level:
        raise bad_manifest("The archive's indexes are nested too deeply.")
    return found


def _descriptors(indexes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    listed = [item for index in indexes for item in go_json.list_field(index, "manifests")]
    if len(listed) > _MAX_INDEX_ENTRIES:
        raise bad_manifest("The archive's index lists too many entries.")
    return [entry for entry in (_object(item, "An index entry") for item in listed) if not _is_attestation(entry)]


def _is_attestation(descriptor: dict[str, Any]) -> bool:
    annotations = go_json.object_field(descriptor, "annotations")
    platform = go_json.object_field(descriptor, "platform")
    is_of_no_platform = go_json.field(platform, "os") == "unknown"
    return is_of_no_platform or annotations.get("vnd.docker.reference.type") == "attestation-manifest"


def _object_blob(descriptor: dict[str, Any], contents: Contents) -> dict[str, Any] | None:
    """Return the JSON object a descriptor points to; None if its blob is not in the archive."""
    name = _blob_name(descriptor)
    file = contents.file(name)
    if file is None:
        return None
    if file.sha256 != name.rpartition("/")[2]:
        raise bad_manifest("A manifest does not have the digest that names it.")
    return _object(_json_member(name, contents), "A manifest")


def _blob_name(descriptor: dict[str, Any]) -> str:
    algorithm, _, digest = go_json.text_field(descriptor, "digest").partition(":")
    if algorithm != "sha256" or not is_sha256(digest):
        raise bad_manifest("The archive's index holds a digest that is not sha256.")
    return f"blobs/sha256/{digest}"


def _oci_layer(descriptor: Any, contents: Contents) -> ArchiveMember:
    name = _blob_name(_object(descriptor, "A layer"))
    layer = _layer(name, contents)
    if layer.sha256 != name.rpartition("/")[2]:
        raise ArchiveError("IMAGE_LAYER_MISMATCH", "A layer's bytes do not have the digest that names them.")
    return layer


# ---- both


def is_sha256(digest: str) -> bool:
    """Say whether `digest` is 64 lower-case hexadecimal digits."""
    return len(digest) == 64 and not digest.strip("0123456789abcdef")


def _expect_one(count: int) -> None:
    if count != 1:
        raise ArchiveError(
            "IMAGE_COUNT",
            f"The archive holds {count} images; save exactly one, for one platform (linux/amd64).",
        )


def _check_layer_count(count: int, limits: ArchiveLimits) -> None:
    if count > limits.max_layers:
        raise ArchiveError(
            "IMAGE_TOO_MANY_LAYERS", f"The image has {count} layers; at most {limits.max_layers} are allowed."
        )
    if count == 0:
        raise bad_manifest("The image has no layers.")


def _layer(name: str, contents: Contents) -> ArchiveMember:
    layer = contents.file(name)
    if layer is None:
        raise bad_manifest("A layer named by the manifest is not in the archive. Save the image again.")
    return layer


def _config(name: str, contents: Contents) -> ArchiveMember:
    config = contents.files.get(name)
    if config is None or config.text is None:
        raise ArchiveError("IMAGE_BAD_CONFIG", "The image's config is missing, a link, too large or not JSON.")
    return config


def _json_member(name: str, contents: Contents) -> Any:
    member = contents.files.get(name)
    if member is None or member.text is None:
        raise bad_manifest("The archive's manifest is not a small JSON file. Make it with `docker save IMAGE`.")
    return go_json.parse(member.text)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadJson(f"{what} is not an object")
    return value
