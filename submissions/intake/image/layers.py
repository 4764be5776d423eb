"""Prove that an archive's layers are those that its config names.

An engine that already holds a layer with some digest ignores the bytes that came with that name. So a config that
names other people's layers would be given their files (threat T12).
"""

from submissions.faults import ParticipantError
from submissions.intake.image.contents import ArchiveMember
from submissions.intake.image.decompress import other_compression
from submissions.intake.image.errors import bad_manifest
from submissions.intake.image.facts import LayerSource
from submissions.intake.image.layer.headers import too_many_files
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.tar_block import begins_tar


def verified_layers(
    files: tuple[ArchiveMember, ...], diff_ids: tuple[str, ...], limits: ArchiveLimits
) -> tuple[LayerSource, ...]:
    """Return the positions of the distinct layers, in the order of the archive.

    files, diff_ids: bottom first, must be pairwise equal.
    Raises ParticipantError: IMAGE_BAD_MANIFEST, IMAGE_LAYER_MISMATCH, COMPRESSION_NOT_SUPPORTED, ARCHIVE_CORRUPT,
    ARCHIVE_BAD_MEMBER, ARCHIVE_TOO_MANY_MEMBERS.
    """
    if len(files) != len(diff_ids):
        raise bad_manifest(f"The image lists {len(files)} layers, its config {len(diff_ids)}.")
    layers: dict[str, LayerSource] = {}
    for number, (file, diff_id) in enumerate(zip(files, diff_ids, strict=True), start=1):
        layers.setdefault(diff_id, _verified(file, diff_id, number))
    if sum(file.headers.members for file in files) > limits.max_layer_members:
        raise too_many_files(limits.max_layer_members)
    return tuple(sorted(layers.values(), key=lambda layer: layer.offset))


def unpacked_bytes(layers: tuple[LayerSource, ...], diff_ids: tuple[str, ...]) -> int:
    """Return the bytes that an engine writes: it unpacks a layer each time the image names it."""
    sizes = {layer.diff_id: layer.expanded_bytes for layer in layers}
    return sum(sizes[diff_id] for diff_id in diff_ids)


def _verified(file: ArchiveMember, diff_id: str, number: int) -> LayerSource:
    layer = _source(file, diff_id, number)
    digest = file.unpacked.digest.hexdigest() if file.unpacked else file.sha256
    if f"sha256:{digest}" != diff_id:
        raise ParticipantError(
            "IMAGE_LAYER_MISMATCH",
            f"Layer {number} is not the one the image's config names. {_again(layer)}",
        )
    head = file.unpacked.head if file.unpacked else file.head
    if layer.expanded_bytes and not begins_tar(head):
        raise ParticipantError("ARCHIVE_CORRUPT", f"Layer {number} is not a tar file.")
    if file.headers.fault:
        raise file.headers.fault
    return layer


def _again(layer: LayerSource) -> str:
    """Return what to do about a layer with another digest; some skopeo lose the end of those of zstd:chunked."""
    if layer.compression == "zstd":
        return "Save the image again, with layers that are plain or compressed with gzip instead of zstd."
    return "Save the image again."


def _source(file: ArchiveMember, diff_id: str, number: int) -> LayerSource:
    if file.unpacked is not None:
        if file.unpacked.broken:
            raise file.unpacked.broken
        return LayerSource(diff_id, file.offset, file.size, file.unpacked.size, file.unpacked.compression)
    compression = other_compression(file.head)
    if compression:
        raise ParticipantError(
            "COMPRESSION_NOT_SUPPORTED",
            f"Layer {number} is compressed with {compression}. Load the image into Docker with `docker load`, "
            "then save it from there with `docker save -o model.tar IMAGE`.",
        )
    return LayerSource(diff_id, file.offset, file.size, file.size)
