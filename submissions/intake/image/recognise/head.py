"""Judge an upload by its first bytes before gigabytes are sent. The browser and every way to upload use this check."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from submissions.faults import ParticipantError
from submissions.intake.image.bytes import ByteCursor
from submissions.intake.image.decompress import decompressor, is_gzip, other_compression
from submissions.intake.image.errors import shown
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.recognise import words
from submissions.intake.image.recognise.members import foreign_tar, is_image_part, is_left_by_macos
from submissions.intake.image.tar import TarEntry, entries
from submissions.intake.tar_block import BLOCK_BYTES, begins_tar

HEAD_BYTES = 64 << 10
ENDINGS = (".tar", ".tar.gz", ".tgz")
_UNPACKED_BYTES = 256 << 10  # of a gzip's beginning
_SIGNATURES = (
    (b"PK\x03\x04", words.ZIP),
    (b"PK\x05\x06", words.ZIP),
    (b"#!/usr/bin/env run-singularity", words.SIF),
    (b"hsqs", words.SIF),
    (b"\xff\xfe", words.POWERSHELL),
    (b"\xfe\xff", words.POWERSHELL),
    (b"\x1f\xef\xbf\xbd\x08", words.MANGLED),  # gzip's first bytes, each bad one replaced by U+FFFD
    (b"7z\xbc\xaf\x27\x1c", f"The file is a 7z archive. Unpack it and send the .tar inside, or use {words.SAVE}."),
    (b"Rar!\x1a\x07", f"The file is a RAR archive. Unpack it and send the .tar inside, or use {words.SAVE}."),
    (b"version https://git-lfs", "The file is a Git LFS pointer, not the file itself; run `git lfs pull` first."),
    (b"\x89PNG", f"The file is a picture. Send the saved image of a container: {words.SAVE}."),
    (b"\xff\xd8\xff", f"The file is a picture. Send the saved image of a container: {words.SAVE}."),
    (b"%PDF", f"The file is a PDF. Send the saved image of a container: {words.SAVE}."),
)
_ENDING_NOTES = {
    (".sif", ".simg", ".img"): words.SIF,
    (".zip",): words.ZIP,
    (".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.lz4"): (
        "The file has a compression other than gzip. Decompress it and send the .tar."
    ),
    ("dockerfile",): f"This is a Dockerfile. Build the image with {words.BUILD}, then save it: {words.SAVE}.",
}
_LIMITS = ArchiveLimits()


def judge_head(first_bytes: bytes, filename: str = "") -> None:
    """Raise ParticipantError if the first bytes or the name show that a file is not a saved image.

    first_bytes: the first HEAD_BYTES of the file, or all of a shorter one; fewer bytes allow fewer checks.
    filename: "" where it is not known.
    Codes: EXTENSION_NOT_ALLOWED, UPLOAD_EMPTY, UPLOAD_NOT_ARCHIVE, COMPRESSION_NOT_SUPPORTED, IMAGE_NO_MANIFEST.
    A file that passes must still be scanned.
    """
    if filename:
        judge_name(filename)
    if not first_bytes:
        raise ParticipantError("UPLOAD_EMPTY", "Empty file: there is no image in it; choose it again.")
    _refuse_known(first_bytes)
    if is_gzip(first_bytes):
        _judge_gzip(first_bytes)
    elif begins_tar(first_bytes[:BLOCK_BYTES]):
        _judge_tar(first_bytes)
    else:
        raise words.not_an_archive(f"The file is not a tar archive. Make it with {words.SAVE}.")


def judge_name(filename: str) -> None:
    """Raise ParticipantError (EXTENSION_NOT_ALLOWED) unless the name has the ending of an image archive."""
    name = filename.lower()
    if name.endswith(ENDINGS):
        return
    note = next((note for endings, note in _ENDING_NOTES.items() if name.endswith(endings)), "")
    raise ParticipantError("EXTENSION_NOT_ALLOWED", note or f"Send a .tar, .tar.gz or .tgz made with {words.SAVE}.")


def _refuse_known(head: bytes) -> None:
    if head[32:41] == b"SIF_MAGIC":
        raise words.not_an_archive(words.SIF)
    for magic, note in _SIGNATURES:
        if head.startswith(magic):
            raise words.not_an_archive(note)
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise words.not_an_archive(
            f"The file is a web page, such as the sign-in page of a download. Make the archive with {words.SAVE}."
        )
    if compression := other_compression(head):
        raise words.compressed_with(compression)


def _judge_gzip(head: bytes) -> None:
    unpacked = _beginning(head)
    if is_gzip(unpacked):
        raise words.not_an_archive(words.COMPRESSED_TWICE)
    _refuse_known(unpacked)
    if len(unpacked) < BLOCK_BYTES:
        return  # too few bytes to judge; the scan reads the whole file
    if not begins_tar(unpacked[:BLOCK_BYTES]):
        raise words.not_an_archive(f"The gzip file does not hold a tar archive. Make it with {words.SAVE}.")
    _judge_tar(unpacked)


def _beginning(head: bytes) -> bytes:
    """Return the unpacked beginning of a gzip stream, at most _UNPACKED_BYTES; the scan finds any damage."""
    out = b""
    try:
        for piece in decompressor("gzip").feed(head):
            out += piece
            if len(out) >= _UNPACKED_BYTES:
                break
    except ParticipantError:
        pass
    return out[:_UNPACKED_BYTES]


def _judge_tar(head: bytes) -> None:
    seen = list(islice(_entries_in(head), 200))
    if note := foreign_tar(entry.name for entry, _ in seen):
        raise words.not_an_image(note)
    own = [(entry, offset) for entry, offset in seen if entry.kind == "file" and not is_left_by_macos(entry.name)]
    if own and not any(is_image_part(entry.name) for entry, _ in seen):
        entry, offset = own[0]
        if _is_image_archive(head[offset : offset + entry.size]):
            raise words.not_an_image(words.archive_inside(shown(entry.name)))


def _is_image_archive(head: bytes) -> bool:
    """Return whether the bytes begin a tar, gzipped or not, that has members of a saved image."""
    unpacked = _beginning(head) if is_gzip(head) else head
    return begins_tar(unpacked[:BLOCK_BYTES]) and any(is_image_part(entry.name) for entry, _ in _entries_in(unpacked))


def _entries_in(head: bytes) -> Iterator[tuple[TarEntry, int]]:
    """Yield the members whose headers lie in the beginning of a tar, each with the offset of its bytes."""
    cursor = ByteCursor([head])
    try:
        for entry in entries(cursor, _LIMITS):
            yield entry, cursor.offset
            cursor.skip(entry.size)
    except ParticipantError:
        return  # the beginning ends here, or holds an error that the scan reports better
