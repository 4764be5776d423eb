"""Check an uploaded image archive without opening it in an engine: pass 1 of two.

    facts = scan_archive(path)                     # raises ArchiveError
    engine.load(rewritten(path, facts))            # submissions.intake.image.rewrite, pass 2

The file's content decides what it is, never its name: a gzip named `.tar` and a tar named
`.tar.gz` are both taken (catalogue row U8).
"""

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import BinaryIO

from submissions.intake.image.bytes import (
    ByteCursor,
    ExpansionBudget,
    inflated,
    is_gzip,
    opened,
    other_compression,
    pieces_of,
    size_of,
)
from submissions.intake.image.config import read_config
from submissions.intake.image.contents import Contents, read_contents
from submissions.intake.image.errors import ArchiveError
from submissions.intake.image.facts import ImageFacts
from submissions.intake.image.hashing import Digest, HashLane
from submissions.intake.image.layers import unpacked_bytes, verified_layers
from submissions.intake.image.layout import find_image
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.tar import BLOCK_BYTES, begins_tar

DEFAULT_LIMITS = ArchiveLimits()
HEAD_BYTES = BLOCK_BYTES


def scan_archive(file: str | PathLike[str] | BinaryIO, limits: ArchiveLimits = DEFAULT_LIMITS) -> ImageFacts:
    """Read the archive once, in constant memory, and return what is in it.

    file: a path, or a seekable binary file (read from its start).
    Raises ArchiveError with the first rule the archive breaks; OSError is our own trouble.
    """
    with opened(file) as source:
        read = _read(source, limits)
    image = find_image(read.contents, limits)
    config_json = image.config.text or b""
    checked = read_config(config_json, limits)
    layers = verified_layers(image.layers, checked.diff_ids, limits)
    read.contents.check_links()
    read.budget.spend_up_to(unpacked_bytes(layers, checked.diff_ids))
    return ImageFacts(
        image_id=f"sha256:{image.config.sha256}",
        diff_ids=checked.diff_ids,
        config=checked.config,
        sha256=read.digest.hexdigest(),
        file_bytes=read.file_bytes,
        expanded_bytes=read.budget.spent_bytes,
        layout=image.layout,
        is_gzip=read.is_gzip,
        config_json=config_json,
        layers=layers,
    )


class _Read:
    """One reading of a file to its end."""

    def __init__(self, source: BinaryIO, limits: ArchiveLimits) -> None:
        self.file_bytes = size_of(source)
        self.budget = ExpansionBudget(self.file_bytes, limits)
        self.digest: Digest
        self.contents: Contents
        self.is_gzip = False


def _read(source: BinaryIO, limits: ArchiveLimits) -> _Read:
    """Hash and list the whole file; two threads hash while this one reads and unpacks."""
    read = _Read(source, limits)
    with HashLane() as file_lane, HashLane() as member_lane:
        read.digest = file_lane.begin()
        stored = ByteCursor(_hashed(pieces_of(source), read.digest, file_lane))
        head = stored.peek(HEAD_BYTES)
        check_head(head)
        read.is_gzip = is_gzip(head)
        unpacked: Iterable[bytes] = inflated(stored.rest()) if read.is_gzip else stored.rest()
        cursor = ByteCursor(read.budget.watch(unpacked))
        _expect_tar(cursor.peek(HEAD_BYTES))
        read.contents = read_contents(cursor, limits, read.budget, member_lane)
    return read


def _hashed(pieces: Iterable[bytes], digest: Digest, lane: HashLane) -> Iterator[bytes]:
    for piece in pieces:
        lane.update(digest, piece)
        yield piece


def check_head(head: bytes) -> None:
    """Raise ArchiveError if a file that begins so is no archive; the rest is for `scan_archive`.

    head: the first HEAD_BYTES of the file, or all of a shorter one.
    """
    if not head:
        raise ArchiveError("UPLOAD_EMPTY", "The file is empty.")
    _refuse_compression(head)
    if not is_gzip(head) and not begins_tar(head):
        raise ArchiveError("UPLOAD_NOT_ARCHIVE", "The file is no tar archive. Make it with `docker save IMAGE`.")


def _expect_tar(head: bytes) -> None:
    """Raise ArchiveError unless a tar begins; a gzip inside a gzip is none."""
    if is_gzip(head) or not head:
        raise ArchiveError("UPLOAD_NOT_ARCHIVE", "The gzip file holds no tar archive.")
    check_head(head)


def _refuse_compression(head: bytes) -> None:
    compression = other_compression(head)
    if compression:
        raise ArchiveError(
            "COMPRESSION_NOT_SUPPORTED",
            f"The file is compressed with {compression}; upload a .tar, or compress it with gzip.",
        )
