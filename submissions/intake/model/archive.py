"""Unpack a model archive as data: regular files and folders only, bounded in bytes and files."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from submissions.faults import ParticipantError
from submissions.intake.tar_block import BLOCK_BYTES, begins_tar

PIECE_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
ENDINGS = (".tar.gz", ".tgz")
MAX_PADDING = 16 << 20
# Of headers and padding: tarfile keeps a long name, a pax header and a list of holes in memory, whatever their size.
MAX_HEADER_BYTES = 32 << 20
MAX_NAME_BYTES = 512
MAX_PART_BYTES = 255
# What a disk says of names that clash; anything else, such as that it is full, is not the archive's fault.
CLASHES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EMLINK)
# Caches of Hugging Face are folders of symbolic links; plain tar would store them again.
FOLLOWING = "make it with `tar -czhf model.tar.gz -C FOLDER .`, whose h stores the files that links lead to"
REMEDY = "make it with `tar -czf model.tar.gz -C FOLDER .`"


@dataclass(frozen=True)
class ModelLimits:
    """What an archive may expand to."""

    expanded_bytes: int = 20 << 30
    files: int = 10_000
    depth: int = 20


DEFAULT_LIMITS = ModelLimits()


def bad_archive(why: str, remedy: str = REMEDY) -> ParticipantError:
    return ParticipantError("MODEL_ARCHIVE", f"The model archive {why}; {remedy}.")


def judge_model_name(name: str) -> None:
    """Raise ParticipantError unless a file is called as a model archive is."""
    if not name.lower().endswith(ENDINGS):
        raise bad_archive("is not a .tar.gz")


def judge_model_head(head: bytes) -> None:
    """Raise ParticipantError unless a file begins as a gzipped tar does."""
    if not head.startswith(GZIP):
        raise bad_archive("is not gzipped")
    try:
        start = zlib.decompressobj(wbits=31).decompress(head, BLOCK_BYTES)
    except zlib.error as error:
        raise bad_archive("is damaged at its beginning") from error
    if len(start) == BLOCK_BYTES and not (any(start) and begins_tar(start)):  # an empty tar begins with zeros
        raise bad_archive("holds no tar")


def unpack_model(
    path: Path, folder: Path, limits: ModelLimits = DEFAULT_LIMITS, check: Callable[[], None] = lambda: None
) -> int:
    """Lay an archive out in an empty folder, readable for everybody; return how many files it holds.

    check: called for each piece; may raise to stop. Raises ParticipantError(MODEL_ARCHIVE).
    """
    try:
        with gzip.open(path) as stream:
            metered: Any = _Metered(stream)  # tarfile only reads it
            with tarfile.open(fileobj=metered, mode="r|") as archive:
                files = _Unpacking(archive, metered, folder, limits, check).run()
            _read_to_end(stream)
            return files
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise bad_archive("is cut short or damaged") from error


class _Metered:
    """A stream of which no more is read than MAX_HEADER_BYTES beside the content that is expected."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._left = stream, MAX_HEADER_BYTES

    def expect(self, content_bytes: int) -> None:
        self._left += content_bytes

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise bad_archive(f"has more than {MAX_HEADER_BYTES >> 20} MiB of headers")
        return piece


def _read_to_end(stream: gzip.GzipFile) -> None:
    """Read the padding after the last member, so that the checksum at the end is compared."""
    for _ in range(MAX_PADDING // PIECE_BYTES):
        if not stream.read(PIECE_BYTES):
            return
    raise bad_archive("goes on after its end")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "replace")


class _Unpacking:
    def __init__(
        self, archive: tarfile.TarFile, metered: _Metered, folder: Path, limits: ModelLimits, check: Callable[[], None]
    ) -> None:
        self.archive, self.metered, self.folder, self.limits, self.check = archive, metered, folder, limits, check
        self.files = self.members = 0
        self.bytes_left = limits.expanded_bytes

    def run(self) -> int:
        for member in self.archive:
            self.members += 1
            if self.members > self.limits.files:
                raise bad_archive(f"holds more than {self.limits.files:,} files")
            self._lay_out(member)
        if not self.files:
            raise bad_archive("holds no file")
        return self.files

    def _lay_out(self, member: tarfile.TarInfo) -> None:
        place = self._place(member.name)
        if member.isdir():
            self._make(place)
        elif member.isreg() and not member.issparse():
            self._make(place.parent)
            self.metered.expect(member.size)
            self._copy(member, place)
            self.files += 1
        elif member.islnk():
            self._make(place.parent)
            self._link(member, place)
            self.files += 1
        elif member.issym():
            raise bad_archive(f"holds a symbolic link ({member.name[:80]!r})", FOLLOWING)
        else:
            raise bad_archive(f"holds a device or sparse file ({member.name[:80]!r}); only files and folders are taken")

    def _place(self, name: str) -> Path:
        """Return where a member belongs; its name may lead nowhere else."""
        parts = [part for part in PurePosixPath(name).parts if part != "."]
        has_control = any(unicodedata.category(letter) == "Cc" for letter in name)
        is_odd = has_control or name.startswith("/") or ".." in parts or "\\" in name
        is_long = len(_bytes(name)) > MAX_NAME_BYTES or any(len(_bytes(part)) > MAX_PART_BYTES for part in parts)
        if is_odd or is_long or len(parts) > self.limits.depth:
            raise bad_archive(f"holds a forbidden name ({name[:80]!r})")
        return self.folder.joinpath(*parts)

    def _make(self, place: Path) -> None:
        """Make a folder and those above it, each open to the container's user whatever the umask."""
        missing = [each for each in (place, *place.parents) if each.is_relative_to(self.folder) and not each.exists()]
        try:
            for each in reversed(missing):
                each.mkdir()
                each.chmod(0o755)
            place.mkdir(exist_ok=True)  # raises where the name is a file's
        except OSError as error:
            if error.errno not in CLASHES:
                raise
            raise bad_archive("names a file and a folder alike") from error

    def _link(self, member: tarfile.TarInfo, place: Path) -> None:
        """Give a file a second name, as tar stores one that had two; the first must be a file of this archive."""
        first = self._place(member.linkname)
        try:
            if not stat.S_ISREG(first.lstat().st_mode):
                raise FileNotFoundError(errno.ENOENT, "no regular file")
            os.link(first, place, follow_symlinks=False)
        except OSError as error:
            if error.errno not in CLASHES:
                raise
            raise bad_archive(f"holds a link that leads to no file of it ({member.name[:80]!r})", FOLLOWING) from error

    def _copy(self, member: tarfile.TarInfo, place: Path) -> None:
        content = self.archive.extractfile(member)
        assert content is not None, "a regular file has content"
        try:
            # Exclusive: a name that comes twice is refused, and no link is followed.
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            if error.errno not in CLASHES:
                raise
            raise bad_archive(f"names {member.name[:80]!r} twice") from error
        with os.fdopen(descriptor, "wb") as file:
            while piece := content.read(PIECE_BYTES):
                self.bytes_left -= len(piece)
                if self.bytes_left < 0:
                    raise bad_archive(f"expands to more than {self.limits.expanded_bytes >> 20:,} MiB")
                self.check()
                file.write(piece)
        os.chmod(place, 0o644)
