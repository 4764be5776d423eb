"""Find the one image in an archive: Docker's `manifest.json`, or an OCI `index.json`.

`docker save` writes the first (newer engines both); podman, skopeo and buildkit write either. Of several images the
one for linux/amd64 is taken. The layout may lie one folder down, as in an archive that was repacked by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from submissions.faults import ParticipantError
from submissions.intake.image import go_json
from submissions.intake.image.contents import ArchiveMember, Contents
from submissions.intake.image.errors import bad_manifest, shown
from submissions.intake.image.go_json import BadJson
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.oci import (
    blob_name,
    image_manifests,
    json_member,
    json_object,
)
from submissions.intake.image.recognise.members import foreign_tar, is_left_by_macos
from submissions.intake.image.recognise.words import IMAGE_FOLDER, NO_MANIFEST, archive_inside, not_an_image
from submissions.intake.image.tar import normalised
from submissions.intake.tar_block import begins_tar

_PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class FoundImage:
    """One image's parts as members of the archive; layers bottom first."""

    layout: str
    config: ArchiveMember
    layers: tuple[ArchiveMember, ...]


@dataclass(frozen=True)
class _Candidate:
    """An image that the archive lists. platform: "linux/amd64", or "" where none is given."""

    layout: str
    platform: str
    entry: dict[str, Any]


def find_image(contents: Contents, limits: ArchiveLimits) -> FoundImage:
    """Return the archive's only image for linux/amd64.

    Raises ParticipantError: IMAGE_NO_MANIFEST, IMAGE_BAD_MANIFEST, IMAGE_COUNT, IMAGE_BAD_CONFIG, IMAGE_ARCHITECTURE,
    IMAGE_TOO_MANY_LAYERS, IMAGE_LAYER_MISMATCH.
    """
    folder = _image_folder(contents)
    contents = contents.below(folder) if folder else contents
    try:
        chosen = _chosen(_candidates(contents, limits))
        if chosen.layout == "docker":
            return _docker_image(chosen.entry, contents, limits)
        return _oci_image(chosen.entry, contents, limits)
    except BadJson as error:
        raise bad_manifest(f"The archive's manifest cannot be used: {error}.") from error


# ---- where, and which


def _image_folder(contents: Contents) -> str:
    """Return the folder of the layout: "" for the top, or the only folder below it with a layout."""
    if contents.has("manifest.json") or contents.has("index.json"):
        return ""
    folders = {name.partition("/")[0] for name in contents.files if _is_layout_below(name, contents)}
    if len(folders) > 1:
        raise ParticipantError("IMAGE_COUNT", f"The archive holds {len(folders)} images in folders; save exactly one.")
    if not folders:
        is_image_folder = any(_is_image_folder_below(name, file) for name, file in contents.files.items())
        raise not_an_image(IMAGE_FOLDER if is_image_folder else _foreign(contents) or NO_MANIFEST)
    return folders.pop()


def _is_layout_below(name: str, contents: Contents) -> bool:
    folder, _, rest = name.partition("/")
    if rest == "index.json":
        return f"{folder}/oci-layout" in contents.files
    return rest == "manifest.json" and b'"Config"' in (contents.files[name].text or b"")


def _is_image_folder_below(name: str, file: ArchiveMember) -> bool:
    """Return whether a member is the manifest of a folder as skopeo's `dir:` writes it."""
    return name.count("/") == 1 and name.endswith("/manifest.json") and b'"layers"' in (file.text or b"")


def _foreign(contents: Contents) -> str | None:
    """Return the sentence about another type of archive; None if it is not recognised."""
    own = [file for name, file in contents.files.items() if not is_left_by_macos(name)]
    if len(own) == 1 and (own[0].unpacked or (any(own[0].head) and begins_tar(own[0].head))):
        return archive_inside(shown(own[0].name))
    return foreign_tar(contents.names)


def _candidates(contents: Contents, limits: ArchiveLimits) -> list[_Candidate]:
    """Return the listed images. `manifest.json` lists one per name, and may omit platforms that `index.json` has."""
    if not contents.has("manifest.json"):
        return _oci_candidates(contents)
    listed = _docker_candidates(contents, limits)
    if contents.has("index.json") and not any(item.platform == _PLATFORM for item in listed):
        return [candidate for candidate in _oci_candidates(contents) if candidate.platform == _PLATFORM] or listed
    return listed


def _docker_candidates(contents: Contents, limits: ArchiveLimits) -> list[_Candidate]:
    images = json_member("manifest.json", contents)
    if isinstance(images, dict) and "layers" in images:
        raise not_an_image(IMAGE_FOLDER)
    if not isinstance(images, list) or not images or not all(isinstance(image, dict) for image in images):
        raise bad_manifest("manifest.json does not list an image. Make the archive with `docker save -o model.tar`.")
    found: dict[str, _Candidate] = {}
    platform_of = cache(partial(_config_platform, contents))
    for image in images:
        name = _member_name(go_json.text_field(image, "Config"), limits)
        layers = go_json.text_list_field(image, "Layers")
        found.setdefault(f"{name} {layers}", _Candidate("docker", platform_of(name) or "", image))
    return list(found.values())


def _oci_candidates(contents: Contents) -> list[_Candidate]:
    found = []
    platform_of = cache(partial(_config_platform, contents))
    for listed in image_manifests(contents):
        platform = platform_of(blob_name(go_json.object_field(listed.manifest, "config")))
        if platform is None:
            platform = _platform_in(listed.platform)
        found.append(_Candidate("oci", platform, listed.manifest))
    return found


def _config_platform(contents: Contents, name: str) -> str | None:
    """Return the platform of a config, which decides what will run; None where the archive does not hold it.

    To be kept for each name: a config is megabytes at most, and may be listed a hundred thousand times.
    """
    config = contents.files.get(name)
    if config is None or not config.text:
        return None
    try:
        return _platform_in(json_object(go_json.parse(config.text), "The config"))
    except BadJson:
        return ""  # the error follows when the config is read


def _platform_in(described: dict[str, Any]) -> str:
    """Return "os/architecture" of a config or an entry of an index, "" where it does not say."""
    try:
        names = [go_json.text_field(described, name) for name in ("os", "architecture", "variant")]
    except BadJson:
        return ""
    names = names[:2] if names[2] in ("", "v1") else names
    return "/".join(names) if all(names) else ""


def _chosen(candidates: list[_Candidate]) -> _Candidate:
    """Return the only candidate, or the only one for our platform. Raises ParticipantError."""
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise ParticipantError("IMAGE_COUNT", "The archive lists no image, at most signatures or other artifacts.")
    ours = [candidate for candidate in candidates if candidate.platform == _PLATFORM]
    if len(ours) == 1:
        return ours[0]
    if not ours and all(candidate.platform for candidate in candidates):
        listed = ", ".join(sorted({shown(candidate.platform)[1:-1] for candidate in candidates})[:8])
        raise ParticipantError(
            "IMAGE_ARCHITECTURE", f"The image is for {listed}; build it with `--platform {_PLATFORM}`, too."
        )
    raise ParticipantError(
        "IMAGE_COUNT", f"The archive holds {len(ours or candidates)} images; save exactly one, for {_PLATFORM}."
    )


# ---- its parts


def _docker_image(image: dict[str, Any], contents: Contents, limits: ArchiveLimits) -> FoundImage:
    config_name = _member_name(go_json.text_field(image, "Config"), limits)
    layer_names = go_json.text_list_field(image, "Layers")
    _check_layer_count(len(layer_names), limits)
    layers = tuple(_layer(_member_name(name, limits), contents) for name in layer_names)
    return FoundImage("docker", _config(config_name, contents), layers)


def _member_name(name: str, limits: ArchiveLimits) -> str:
    try:
        return normalised(name, limits)
    except ParticipantError as error:
        raise bad_manifest(f"manifest.json names {shown(name)}, which no member can be called.") from error


def _oci_image(manifest: dict[str, Any], contents: Contents, limits: ArchiveLimits) -> FoundImage:
    layers = go_json.list_field(manifest, "layers")
    _check_layer_count(len(layers), limits)
    config_name = blob_name(go_json.object_field(manifest, "config"))
    config = _config(config_name, contents)
    if config.sha256 != config_name.rpartition("/")[2]:
        raise ParticipantError("IMAGE_BAD_CONFIG", "The image's config does not have the digest that names it.")
    return FoundImage("oci", config, tuple(_oci_layer(layer, contents) for layer in layers))


def _oci_layer(descriptor: Any, contents: Contents) -> ArchiveMember:
    name = blob_name(json_object(descriptor, "A layer"))
    layer = _layer(name, contents)
    if layer.sha256 != name.rpartition("/")[2]:
        raise ParticipantError("IMAGE_LAYER_MISMATCH", "A layer's bytes do not have the digest that names them.")
    return layer


def _check_layer_count(count: int, limits: ArchiveLimits) -> None:
    if count > limits.max_layers:
        raise ParticipantError(
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
        raise ParticipantError("IMAGE_BAD_CONFIG", "The image's config is missing, a link, too large or not JSON.")
    return config
