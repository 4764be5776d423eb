"""Check an uploaded image archive without opening it in an engine: pass 1 of two.

    facts = scan_archive(path)                     # raises ParticipantError
    engine.load(rewritten(path, facts))            # submissions.intake.image.rewrite, pass 2

The file's content decides its type, never its name: a gzip named `.tar` and a tar named `.tar.gz` are both accepted
(catalogue row U8).
"""

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import BinaryIO

from submissions.faults import ParticipantError
from submissions.intake.image.bytes import ByteCursor, ExpansionBudget, opened, pieces_of, size_of
from submissions.intake.image.config import CheckedConfig, read_config
from submissions.intake.image.contents import Contents, read_contents
from submissions.intake.image.decompress import decompressed, is_gzip
from submissions.intake.image.errors import shown
from submissions.intake.image.facts import ImageFacts
from submissions.intake.image.hashing import Digest, HashLane
from submissions.intake.image.layer.programs import foreign_machine
from submissions.intake.image.layers import unpacked_bytes, verified_layers
from submissions.intake.image.layout import FoundImage, find_image
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.recognise.head import HEAD_BYTES, judge_head
from submissions.intake.image.recognise.members import foreign_tar
from submissions.intake.image.recognise.words import COMPRESSED_TWICE, not_an_archive, not_an_image
from submissions.intake.tar_block import BLOCK_BYTES

DEFAULT_LIMITS = ArchiveLimits()
# The codes of a tar that was cut between two members, if nothing else shows the cut.
_CODES_OF_A_CUT = frozenset(
    ("IMAGE_NO_MANIFEST", "IMAGE_BAD_MANIFEST", "IMAGE_BAD_CONFIG", "IMAGE_COUNT", "ARCHIVE_BAD_MEMBER")
)


def scan_archive(file: str | PathLike[str] | BinaryIO, limits: ArchiveLimits = DEFAULT_LIMITS) -> ImageFacts:
    """Read the archive once, in constant memory, and return its facts.

    file: a path, or a seekable binary file (read from its start).
    Raises ParticipantError with the first rule that the archive breaks; OSError is our own trouble.
    """
    with opened(file) as source:
        read = _read(source, limits)
    try:
        return _facts(read, limits)
    except ParticipantError as error:
        if read.contents.end.is_marked or error.code not in _CODES_OF_A_CUT:
            raise
        raise ParticipantError("ARCHIVE_CORRUPT", "The archive ends too early: the file was cut short.") from error


def _facts(read: "_Read", limits: ArchiveLimits) -> ImageFacts:
    image = find_image(read.contents, limits)
    config_json = image.config.text or b""
    checked = read_config(config_json, limits)
    layers = verified_layers(image.layers, checked.diff_ids, limits)
    _check_programs(image, checked)
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


def _check_programs(image: FoundImage, checked: CheckedConfig) -> None:
    """Raise ParticipantError (IMAGE_ARCHITECTURE) if the program that the image starts is built for another machine."""
    config = checked.config
    command = [*config.entrypoint, *config.cmd]
    programs = [layer.headers.programs for layer in image.layers]
    path, machine = foreign_machine(programs, command, checked.env_path, config.working_dir)
    if path:
        raise ParticipantError(
            "IMAGE_ARCHITECTURE",
            f"The image says amd64, but {shown(path)}, which it starts, is built for {machine}; "
            "build it with `--platform linux/amd64`, its base image too.",
        )


class _Read:
    """One reading of a file to its end."""

    def __init__(self, source: BinaryIO, limits: ArchiveLimits) -> None:
        self.file_bytes = size_of(source)
        self.budget = ExpansionBudget(self.file_bytes, limits)
        self.digest: Digest
        self.contents = Contents()
        self.is_gzip = False


def _read(source: BinaryIO, limits: ArchiveLimits) -> _Read:
    """Hash and list the whole file; two threads hash while this thread reads and unpacks."""
    read = _Read(source, limits)
    with HashLane() as file_lane, HashLane() as member_lane:
        read.digest = file_lane.begin()
        stored = ByteCursor(_hashed(pieces_of(source), read.digest, file_lane))
        head = stored.peek(HEAD_BYTES)
        judge_head(head)
        read.is_gzip = is_gzip(head)
        unpacked: Iterable[bytes] = decompressed(stored.rest()) if read.is_gzip else stored.rest()
        cursor = ByteCursor(read.budget.watch(unpacked))
        if read.is_gzip:
            _expect_tar(cursor.peek(BLOCK_BYTES))
        try:
            read_contents(read.contents, cursor, limits, read.budget, member_lane)
        except ParticipantError as error:
            raise _recognised(error, read.contents) from error
    return read


def _recognised(error: ParticipantError, contents: Contents) -> ParticipantError:
    """Return the error, or a better error if the members read so far show that this is not an image."""
    if error.code not in ("ARCHIVE_BAD_MEMBER", "ARCHIVE_TOO_MANY_MEMBERS", "ARCHIVE_DUPLICATE_MEMBER"):
        return error
    note = foreign_tar(contents.names)
    return not_an_image(note) if note else error


def _hashed(pieces: Iterable[bytes], digest: Digest, lane: HashLane) -> Iterator[bytes]:
    for piece in pieces:
        lane.update(digest, piece)
        yield piece


def _expect_tar(head: bytes) -> None:
    """Raise ParticipantError unless a tar begins here; a gzip inside a gzip is refused."""
    if not head:
        raise not_an_archive("The gzip file holds nothing. Make the archive with `docker save -o model.tar IMAGE`.")
    if is_gzip(head):
        raise not_an_archive(COMPRESSED_TWICE)
    judge_head(head)
