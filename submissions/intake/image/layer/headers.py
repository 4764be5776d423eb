"""Parse the tar headers inside a layer while its bytes stream through.

An engine writes a sparse member out in full: 20 KB of archive became 200 MB on its disk, and the header alone sets
the size. No image builder writes sparse members, so a layer with one is refused. Sizes are read as the engine (Go's
archive/tar) reads them; where that could differ, we refuse.
"""

import re

from submissions.faults import ParticipantError
from submissions.intake.image.layer.programs import ELF_HEAD_BYTES, Programs, RecordBudget
from submissions.intake.image.tar import decimal, pax_records
from submissions.intake.tar_block import BLOCK_BYTES, ZERO_BLOCK, header_number

_MAX_EXTENSION_BYTES = 1 << 20  # the limit of Go's reader
_EXTENSIONS = b"LKxg"
_WITHOUT_BYTES = b"123456"
_XATTR = "SCHILY.xattr."
# A file system keeps xattrs in a block of 4 KiB; more of them fail as "disk full", which would count as our fault.
_MAX_XATTR_BYTES = 2048
_XATTR_ENTRY_BYTES = 16
_SPARSE_KEY = re.compile(rb"(?:\A|\n)[0-9]+ GNU\.sparse\.")


class LayerHeaders:
    """Reads headers from pieces of any length; `fault` says why the layer is refused."""

    def __init__(self, most_members: int, budget: RecordBudget | None = None) -> None:
        self.fault: ParticipantError | None = None
        self.programs = Programs(budget or RecordBudget())
        self.members = 0
        self._most_members = most_members
        self._held = bytearray()
        self._wanted = BLOCK_BYTES
        self._skip = 0
        self._extension = b""
        self._padding = 0
        self._records: dict[str, bytes] = {}
        self._zero_blocks = 0
        self._program = b""  # the executable whose first bytes come next
        self._after_program = 0

    def feed(self, piece: bytes) -> None:
        """Read the next bytes of the layer's own tar."""
        at = 0
        while at < len(piece) and self.fault is None and self._zero_blocks < 2:
            if self._skip:
                step = min(self._skip, len(piece) - at)
                self._skip -= step
            else:
                step = min(self._wanted - len(self._held), len(piece) - at)
                self._held += piece[at : at + step]
                self._read_held()
            at += step

    def _read_held(self) -> None:
        if len(self._held) < self._wanted:
            return
        whole, self._held, self._wanted = bytes(self._held), bytearray(), BLOCK_BYTES
        try:
            if self._program:
                self.programs.add_file(self._program, whole)
                self._program, self._skip = b"", self._after_program
            elif self._extension:
                self._read_extension(whole)
            else:
                self._read_header(whole)
        except ParticipantError as error:
            self.fault = error

    def _read_header(self, block: bytes) -> None:
        if block == ZERO_BLOCK:
            self._zero_blocks += 1
            return
        flag, size = block[156:157], header_number(block[124:136])
        if flag == b"S":
            raise _sparse()
        if flag in _EXTENSIONS:
            self._expect_extension(flag, size)
            return
        self.members += 1
        if self.members > self._most_members:
            raise too_many_files(self._most_members)
        size = decimal(self._records["size"]) if "size" in self._records else size
        if size and self._is_without_bytes(flag, block):
            raise ParticipantError(
                "ARCHIVE_CORRUPT", "A layer holds a link or directory with bytes. Build the image anew."
            )
        path, self._records = self._records.get("path") or _path(block), {}
        self._skip = size + -size % BLOCK_BYTES
        if flag == b"2":
            self.programs.add_link(path, block[157:257].split(b"\0", 1)[0])
        elif flag in b"0\0" and size >= ELF_HEAD_BYTES and _is_executable(block):
            self._program, self._wanted = path, ELF_HEAD_BYTES
            self._after_program = self._skip - ELF_HEAD_BYTES
            self._skip = 0

    def _is_without_bytes(self, flag: bytes, block: bytes) -> bool:
        """Return whether an engine treats the member as having no data, whatever its size field."""
        name = self._records.get("path", block[:100].split(b"\0", 1)[0])
        return flag in _WITHOUT_BYTES or (flag == b"\0" and name.endswith(b"/"))

    def _expect_extension(self, flag: bytes, size: int) -> None:
        if not 0 < size <= _MAX_EXTENSION_BYTES:
            raise ParticipantError("ARCHIVE_CORRUPT", "A layer holds a damaged extension header. Build the image anew.")
        self._extension, self._wanted = flag, size
        self._padding = -size % BLOCK_BYTES

    def _read_extension(self, body: bytes) -> None:
        flag, self._extension, self._skip = self._extension, b"", self._padding
        if flag == b"x":
            if _SPARSE_KEY.search(body):
                raise _sparse()
            self._records = pax_records(body)
            _check_xattrs(self._records)
        elif flag == b"L":
            self._records = self._records | {"path": body.split(b"\0", 1)[0]}


def _path(block: bytes) -> bytes:
    """Return a header's own name, with the ustar prefix."""
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _is_executable(block: bytes) -> bool:
    try:
        return bool(header_number(block[100:108]) & 0o111)
    except ParticipantError:
        return False


def too_many_files(most: int) -> ParticipantError:
    """Return the error for an image with more than `most` files in its layers."""
    return ParticipantError("ARCHIVE_TOO_MANY_MEMBERS", f"The image holds more than {most:,} files; leave some out.")


def _check_xattrs(records: dict[str, bytes]) -> None:
    xattrs = {key: value for key, value in records.items() if key.startswith(_XATTR)}
    taken = sum(len(key.encode()) + len(value) + _XATTR_ENTRY_BYTES for key, value in xattrs.items())
    if taken > _MAX_XATTR_BYTES:
        raise ParticipantError(
            "ARCHIVE_BAD_MEMBER", "A file in a layer has more extended attributes than a disk keeps."
        )


def _sparse() -> ParticipantError:
    return ParticipantError("ARCHIVE_BAD_MEMBER", "A layer holds a sparse file. Build the image with docker build.")
