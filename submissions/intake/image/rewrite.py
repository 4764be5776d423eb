"""Write the archive that the engine loads: pass 2 of two.

No part of the upload's own manifest reaches the engine. It gets the config, the layers and our own manifest without
tags, so that no upload can name, or overwrite, anything.
"""

import json
from collections.abc import Iterator
from os import PathLike
from tarfile import GNU_FORMAT, TarInfo
from typing import BinaryIO

from submissions.faults import ParticipantError
from submissions.intake.image.bytes import ByteCursor, opened, pieces_of
from submissions.intake.image.decompress import decompressed
from submissions.intake.image.facts import ImageFacts, LayerSource
from submissions.intake.tar_block import BLOCK_BYTES

_END = bytes(2 * BLOCK_BYTES)


def rewritten(file: str | PathLike[str] | BinaryIO, facts: ImageFacts) -> Iterator[bytes]:
    """Yield a `docker load` archive of the checked image, about 1 MiB at a time.

    file: the file that `scan_archive` read, unchanged since. The engine must answer with facts.image_id.
    Raises ParticipantError (ARCHIVE_CORRUPT) if the file has changed since the scan.
    """
    for name, text in _small_members(facts):
        yield _header(name, len(text)) + text + _padding(len(text))
    with opened(file) as source:
        cursor = _Tar(source, facts)
        for layer in facts.layers:
            yield _header(_layer_name(layer.diff_id), layer.expanded_bytes)
            yield from _exactly(layer.expanded_bytes, cursor.layer(layer))
            yield _padding(layer.expanded_bytes)
    yield _END


def _small_members(facts: ImageFacts) -> list[tuple[str, bytes]]:
    config_name = facts.image_id.removeprefix("sha256:") + ".json"
    layers = [_layer_name(diff_id) for diff_id in facts.diff_ids]
    manifest = [{"Config": config_name, "RepoTags": None, "Layers": layers}]
    return [(config_name, facts.config_json), ("manifest.json", json.dumps(manifest).encode())]


def _layer_name(diff_id: str) -> str:
    return diff_id.removeprefix("sha256:") + ".tar"


def _header(name: str, size: int) -> bytes:
    member = TarInfo(name)
    member.size = size
    return member.tobuf(GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK_BYTES)


class _Tar:
    """The upload's tar; layers are taken in their order in the file."""

    def __init__(self, source: BinaryIO, facts: ImageFacts) -> None:
        self._source = source
        self._stream = ByteCursor(decompressed(pieces_of(source))) if facts.is_gzip else None

    def layer(self, layer: LayerSource) -> Iterator[bytes]:
        """Yield a layer's own tar."""
        stored = self._at(layer.offset).pieces(layer.stored_bytes)
        return decompressed(stored, layer.compression) if layer.compression else stored

    def _at(self, offset: int) -> ByteCursor:
        if self._stream is None:
            self._source.seek(offset)
            return ByteCursor(pieces_of(self._source))
        self._stream.skip(offset - self._stream.offset)
        return self._stream


def _exactly(count: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield `pieces` unchanged. Raises ParticipantError unless they have `count` bytes in total."""
    for piece in pieces:
        count -= len(piece)
        if count < 0:
            break
        yield piece
    if count:
        raise ParticipantError("ARCHIVE_CORRUPT", "The file changed while it was read. Upload it again.")
