"""Unpack a zip, tar or gzipped tar of images into a folder: regular files only, bounded in bytes and members.

The archive comes from a browser, so its names, sizes and links are as hostile as those of a participant's image.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from lunasite.http.files.sizes import size_in_words
from submissions.faults import ParticipantError
from submissions.intake.image.bytes import ByteCursor, opened, pieces_of
from submissions.intake.image.decompress import decompressed, is_gzip, other_compression
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.tar import entries, normalised
from submissions.intake.tar_block import BLOCK_BYTES, begins_tar

PIECE_BYTES = 1 << 20
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
ZIP_HEADS = (b"PK\x03\x04", b"PK\x05\x06")
MAX_DEPTH = 16
MADE_ON_WINDOWS = 0  # APPNOTE 4.4.2.2: MS-DOS
UTF8_NAME = 0x800  # APPNOTE 4.4.4, bit 11
# What other programs leave behind in an archive.
LEFT_BEHIND = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
NOT_AN_ARCHIVE = "The file is not a zip or tar archive: send a .zip, .tar or .tar.gz of the images."
# What zipfile raises for hostile bytes; ValueError and OverflowError for names and places that cannot be.
CORRUPT = (
    zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, ValueError, OverflowError,
)  # fmt: skip
AS_FILES = ": send a .zip made without -y, or a tar made with --dereference --hard-dereference"
DAMAGED = "The archive is cut short or damaged: make it again, and send it again."


@dataclass(frozen=True)
class UnpackLimits:
    """The largest allowed values. max_ratio (unpacked : archive) applies beyond ratio_free_bytes.

    max_directory_bytes: of a zip's central directory, which is read into memory at once.
    """

    max_bytes: int = 1 << 40
    max_members: int = 100_000
    max_ratio: int = 200
    ratio_free_bytes: int = 1 << 30
    max_directory_bytes: int = 20 << 20


DEFAULT_LIMITS = UnpackLimits()


@dataclass
class Unpacked:
    """What an archive held. ignored: names of files that are not images, of which the first ten are kept."""

    files: int = 0
    members: int = 0
    bytes: int = 0
    n_ignored: int = 0
    ignored: list[str] = field(default_factory=list)


def judge_archive_name(name: str) -> None:
    """Raise ParticipantError unless a file is called as an archive of images is."""
    if not name.lower().endswith(ENDINGS):
        raise ParticipantError(
            "EXTENSION_NOT_ALLOWED", f"Send the images as {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}."
        )


def judge_archive_head(head: bytes) -> None:
    """Raise ParticipantError unless a file begins as a zip, a tar or a gzip does."""
    if compression := other_compression(head):
        raise ParticipantError("COMPRESSION_NOT_SUPPORTED", f"{compression} is not read here: send a .zip or .tar.gz.")
    if not (head.startswith(ZIP_HEADS) or is_gzip(head) or begins_tar(head[:BLOCK_BYTES])):
        raise ParticipantError("UPLOAD_NOT_ARCHIVE", NOT_AN_ARCHIVE)


def unpack_images(
    path: Path,
    folder: Path,
    suffixes: tuple[str, ...],
    limits: UnpackLimits = DEFAULT_LIMITS,
    advance: Callable[[int], None] = lambda count: None,
) -> Unpacked:
    """Lay the images of an archive out below an empty folder, under their own names.

    suffixes: of the files to keep, in lower case; others are only counted. advance: called with the bytes read of each
    piece; may raise to stop. Raises ParticipantError (ARCHIVE_CORRUPT, ARCHIVE_BOMB, ARCHIVE_TOO_MANY_MEMBERS,
    ARCHIVE_BAD_MEMBER, ARCHIVE_DUPLICATE_MEMBER, COMPRESSION_NOT_SUPPORTED, UPLOAD_NOT_ARCHIVE).
    """
    with path.open("rb") as file:
        head = file.read(BLOCK_BYTES)
    judge_archive_head(head)
    unpacking = _Unpacking(path, folder, suffixes, limits, advance)
    try:
        return unpacking.zip() if head.startswith(ZIP_HEADS) else unpacking.tar(gzipped=is_gzip(head))
    except CORRUPT as error:
        raise ParticipantError("ARCHIVE_CORRUPT", DAMAGED) from error


class _Unpacking:
    def __init__(
        self, path: Path, folder: Path, suffixes: tuple[str, ...], limits: UnpackLimits, advance: Callable[[int], None]
    ) -> None:
        self.path, self.folder, self.suffixes = path, folder, suffixes
        self.limits, self.advance = limits, advance
        self.found = Unpacked()
        self.names = ArchiveLimits(max_members=limits.max_members)
        self.bomb_bytes = max(limits.ratio_free_bytes, limits.max_ratio * path.stat().st_size)

    def tar(self, *, gzipped: bool) -> Unpacked:
        with opened(self.path) as source:
            pieces = pieces_of(source)
            cursor = ByteCursor(decompressed(pieces) if gzipped else pieces)
            for entry in entries(cursor, self.names):
                if entry.kind in ("hardlink", "symlink"):
                    raise _bad_member(entry.name, "a link", AS_FILES)
                if entry.kind == "file":
                    self._take(entry.name, cursor.pieces(entry.size))
        return self.found

    def zip(self) -> Unpacked:
        self._judge_directory()
        with zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                name = _name_of(member)
                self._judge_member(member, name)
                if not name.endswith("/"):
                    with archive.open(member) as stream:
                        self._take(name, iter(partial(stream.read, PIECE_BYTES), b""))
        return self.found

    def _judge_directory(self) -> None:
        """Refuse a zip whose directory would fill the memory before any member is looked at."""
        size, count = directory_of(self.path)
        if count > self.limits.max_members or size > self.limits.max_directory_bytes:
            raise self._too_many()

    def _judge_member(self, member: zipfile.ZipInfo, name: str) -> None:
        if member.flag_bits & 0x1:
            raise _bad_member(name, "encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            message = (
                "A member of the zip is compressed in a way that is not read here: use the ordinary one (deflate)."
            )
            raise ParticipantError("COMPRESSION_NOT_SUPPORTED", message)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _bad_member(name, "a link or device", AS_FILES)

    def _take(self, name: str, pieces: Iterator[bytes]) -> None:
        """Keep one file, or read over it. Every byte counts, kept or not."""
        self.found.members += 1
        if self.found.members > self.limits.max_members:
            raise self._too_many()
        path = PurePosixPath(self._place(name))
        if _is_left_behind(path):
            _drain(self._counted(pieces))
        elif path.suffix.lower() in self.suffixes:
            self._write(path, self._counted(pieces))
        else:
            self._ignore(str(path), self._counted(pieces))

    def _place(self, name: str) -> str:
        place = normalised(name, self.names)
        if "\\" in name or not place or place.count("/") >= MAX_DEPTH:
            raise _bad_member(name, "a forbidden name")
        return place

    def _write(self, path: PurePosixPath, pieces: Iterable[bytes]) -> None:
        target = self.folder / path
        try:
            # Exclusive, and no link is followed: a name that comes twice is refused.
            _make_folder(target.parent)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except NotADirectoryError as error:
            raise _bad_member(str(path), "a file and a folder at once") from error
        except FileExistsError as error:
            message = f"The archive names {str(path)[:80]!r} twice: which of the two is meant?"
            raise ParticipantError("ARCHIVE_DUPLICATE_MEMBER", message) from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the archive's fault, unlike a full disk
                raise _bad_member(str(path), "a name that is too long") from error
            raise
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
        self.found.files += 1

    def _ignore(self, name: str, pieces: Iterable[bytes]) -> None:
        _drain(pieces)
        self.found.n_ignored += 1
        if len(self.found.ignored) < 10:
            self.found.ignored.append(name)

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.found.bytes += len(piece)
            if self.found.bytes > self.limits.max_bytes:
                message = (
                    f"The archive unpacks to more than {size_in_words(self.limits.max_bytes)}, the room that is left."
                )
                raise ParticipantError("ARCHIVE_BOMB", message)
            if self.found.bytes > self.bomb_bytes:
                message = f"The archive unpacks to more than {self.limits.max_ratio} times its size."
                raise ParticipantError("ARCHIVE_BOMB", message)
            self.advance(len(piece))
            yield piece

    def _too_many(self) -> ParticipantError:
        message = f"The archive holds more than {self.limits.max_members:,} members."
        return ParticipantError("ARCHIVE_TOO_MANY_MEMBERS", message)


def _name_of(member: zipfile.ZipInfo) -> str:
    """Return a member's name.

    macOS and Info-ZIP's zip write UTF-8 without the flag for it, which zipfile then reads as the letters of MS-DOS.
    Compress-Archive of Windows PowerShell 5.1 separates folders by backslashes.
    """
    name = member.filename
    if not member.flag_bits & UTF8_NAME:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/") if member.create_system == MADE_ON_WINDOWS else name


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises NotADirectoryError where one of the names is a file's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(str(folder)) from error


def _drain(pieces: Iterable[bytes]) -> None:
    for _ in pieces:
        pass


def _is_left_behind(path: PurePosixPath) -> bool:
    return any(part in LEFT_BEHIND or part.startswith("._") for part in path.parts)


def _bad_member(name: str, what: str, cure: str = "") -> ParticipantError:
    message = f"The archive's member {name[:80]!r} is {what}; only ordinary files and folders are taken{cure}."
    return ParticipantError("ARCHIVE_BAD_MEMBER", message)


END_MARK, END_BYTES, MAX_COMMENT_LENGTH = b"PK\x05\x06", 22, 1 << 16
LOCATOR_MARK, END64_MARK, END64_BYTES = b"PK\x06\x07", b"PK\x06\x06", 56


def directory_of(path: Path) -> tuple[int, int]:
    """Return (bytes, members) of a zip's central directory as its end record declares them (APPNOTE 4.3.14 to 4.3.16).

    Raises zipfile.BadZipFile where there is no end record.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - END_BYTES - MAX_COMMENT_LENGTH - 20))
        tail = file.read()
        at = tail.rfind(END_MARK)
        if at < 0 or len(tail) - at < END_BYTES:
            raise zipfile.BadZipFile("no end record")
        count, size = struct.unpack("<HI", tail[at + 10 : at + 16])
        locator = tail[max(0, at - 20) : at]
        if locator.startswith(LOCATOR_MARK):
            # Where zipfile reads it, wherever the locator points: an honest record elsewhere would hide this one.
            file.seek(max(0, length - len(tail) + at - 20 - END64_BYTES))
            record = file.read(END64_BYTES)
            if not record.startswith(END64_MARK):
                raise zipfile.BadZipFile("no zip64 end record")
            count, size = struct.unpack("<QQ", record[32:48])
    return size, count
