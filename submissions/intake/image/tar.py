"""A strict reader of tar headers, for archives from untrusted sources: path traversal ends here.

Why not `tarfile`: in a stream it stops silently at a damaged header, accepts a truncated file as complete, and reads
extension headers of any declared size into memory. This reader accepts ustar, GNU long names and pax, and refuses
everything that it does not fully understand.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from submissions.faults import ParticipantError
from submissions.intake.image.bytes import ByteCursor
from submissions.intake.image.errors import shown
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.tar_block import BLOCK_BYTES, ZERO_BLOCK, checksum_holds, header_number

_MAX_EXTENSION_BYTES = 64 << 10
_MAX_EXTENSIONS_A_MEMBER = 4
_MAX_RECORDS = 1000  # of a pax header: a few are times, sizes and names, the others extended attributes
# In this format tar and bsdtar write files out in full; -S, -g and -V write members that no other program reads.
_PLAIN = "make it with `tar --format=ustar`, without -S, -g and -V"
_KINDS = {b"0": "file", b"\0": "file", b"1": "hardlink", b"2": "symlink", b"5": "directory"}


@dataclass(frozen=True)
class TarEntry:
    """One member: `name` normalised; `target` as written, for links; `size` in bytes."""

    name: str
    kind: str
    size: int
    target: str = ""


@dataclass(frozen=True)
class _Header:
    """A header block as stored; names are still bytes, because encodings are resolved later."""

    type_flag: bytes
    name: bytes
    link: bytes
    size: int


class TarEnd:
    """Whether the zero blocks that end a tar were found; without them it may have been cut between members."""

    is_marked = False


def entries(cursor: ByteCursor, limits: ArchiveLimits, end: TarEnd | None = None) -> Iterator[TarEntry]:
    """Yield the members one by one, to the end of the stream.

    The caller takes exactly `entry.size` bytes from the cursor before asking for the next.
    end: records whether the end is marked; a tar without an end mark is accepted, since some tools write none.
    Raises ParticipantError (ARCHIVE_CORRUPT, ARCHIVE_BAD_MEMBER, ARCHIVE_TOO_MANY_MEMBERS).
    """
    count = 0
    end = end or TarEnd()
    while (header := _next_header(cursor, limits, end)) is not None:
        count += 1
        if count > limits.max_members:
            raise ParticipantError(
                "ARCHIVE_TOO_MANY_MEMBERS", f"The archive holds more than {limits.max_members:,} members."
            )
        yield _entry(header, limits)
        cursor.skip(-header.size % BLOCK_BYTES)
    _expect_zeros(cursor)


def normalised(name: str, limits: ArchiveLimits) -> str:
    """Return a member's name without `.` and doubled slashes; "" is the root itself.

    Raises ParticipantError (ARCHIVE_BAD_MEMBER) if the name is absolute, contains `..` or a control
    character such as a line break, or is too long.
    """
    if len(name.encode("utf-8", "surrogatepass")) > limits.max_name_bytes:
        raise ParticipantError("ARCHIVE_BAD_MEMBER", f"A member's name is longer than {limits.max_name_bytes} bytes.")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or not name:
        raise ParticipantError("ARCHIVE_BAD_MEMBER", f"The member {shown(name)} has a name that leaves the archive.")
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise ParticipantError("ARCHIVE_BAD_MEMBER", f"The member {shown(name)} has a control character in its name.")
    return "/".join(parts)


def _entry(header: _Header, limits: ArchiveLimits) -> TarEntry:
    raw_name = _text(header.name)
    kind = _KINDS.get(header.type_flag)
    if kind == "file" and raw_name.endswith("/"):
        kind = "directory"  # the oldest tars mark directories this way
    if header.type_flag == b"S":
        raise _sparse()
    if kind is None:
        raise ParticipantError(
            "ARCHIVE_BAD_MEMBER", f"The member {shown(raw_name)} is neither a file, a directory nor a link: {_PLAIN}."
        )
    if kind != "file" and header.size:
        raise ParticipantError("ARCHIVE_BAD_MEMBER", f"The member {shown(raw_name)} is no file but holds bytes.")
    return TarEntry(normalised(raw_name, limits), kind, header.size, _text(header.link))


def _next_header(cursor: ByteCursor, limits: ArchiveLimits, end: TarEnd) -> _Header | None:
    """Return the next member's header with its extension headers applied; None at the end."""
    overrides: dict[str, bytes] = {}
    if not cursor.peek(1):
        return None
    for _ in range(_MAX_EXTENSIONS_A_MEMBER + 1):
        block = cursor.take(BLOCK_BYTES)
        if block == ZERO_BLOCK:
            _expect_end(cursor, overrides)
            end.is_marked = True
            return None
        header = _header(block)
        if header.type_flag not in b"LKxg" or not header.type_flag:
            return _overridden(header, overrides)
        overrides |= _extension(header, cursor, limits)
    raise ParticipantError("ARCHIVE_CORRUPT", "A member has too many extension headers.")


def _expect_end(cursor: ByteCursor, overrides: dict[str, bytes]) -> None:
    is_ended = not cursor.peek(1) or cursor.take(BLOCK_BYTES) == ZERO_BLOCK  # one zero block of the two is enough
    if overrides or not is_ended:
        raise ParticipantError("ARCHIVE_CORRUPT", "The archive's end marker is damaged.")


def _expect_zeros(cursor: ByteCursor) -> None:
    """Read to the end: only padding may follow. Reading also makes gzip check its last checksum."""
    for piece in cursor.rest():
        if piece.count(0) != len(piece):
            raise ParticipantError("ARCHIVE_CORRUPT", "Something follows the end of the archive.")
    if cursor.offset % BLOCK_BYTES:
        raise ParticipantError("ARCHIVE_CORRUPT", "The archive ends in the middle of a block.")


def _header(block: bytes) -> _Header:
    if not checksum_holds(block):
        raise ParticipantError("ARCHIVE_CORRUPT", "A member's header is damaged. Save and upload the image again.")
    name = _until_nul(block[:100])
    prefix = _until_nul(block[345:500]) if block[257:263] == b"ustar\0" else b""
    return _Header(
        type_flag=block[156:157],
        name=prefix + b"/" + name if prefix else name,
        link=_until_nul(block[157:257]),
        size=header_number(block[124:136]),
    )


def _extension(header: _Header, cursor: ByteCursor, limits: ArchiveLimits) -> dict[str, bytes]:
    if header.size > _MAX_EXTENSION_BYTES:
        raise ParticipantError("ARCHIVE_BAD_MEMBER", f"A member's name is longer than {limits.max_name_bytes} bytes.")
    data = cursor.take(header.size)
    cursor.skip(-header.size % BLOCK_BYTES)
    if header.type_flag in b"LK":
        return {"path" if header.type_flag == b"L" else "linkpath": _until_nul(data)}
    records = pax_records(data)
    if any(key.startswith("GNU.sparse.") for key in records):
        raise _sparse()
    if header.type_flag == b"g" and records.keys() & {"path", "linkpath", "size"}:
        raise ParticipantError("ARCHIVE_BAD_MEMBER", "A global header names or sizes members.")
    return {key: value for key, value in records.items() if key in ("path", "linkpath", "size")}


def _overridden(header: _Header, overrides: dict[str, bytes]) -> _Header:
    if "path" in overrides:
        header = replace(header, name=overrides["path"])
    if "linkpath" in overrides:
        header = replace(header, link=overrides["linkpath"])
    if "size" in overrides:
        header = replace(header, size=decimal(overrides["size"]))
    return header


def pax_records(data: bytes) -> dict[str, bytes]:
    """Return the `length key=value` lines of a pax header."""
    records: dict[str, bytes] = {}
    at = 0
    for _ in range(_MAX_RECORDS + 1):
        if at == len(data):
            return records
        length_text, space, _ = data[at : at + 20].partition(b" ")
        length = decimal(length_text)
        record, at = data[at : at + length], at + length
        key, equals, value = record[len(length_text) + 1 : -1].partition(b"=")
        if not space or not equals or len(record) != length or record[-1:] != b"\n":
            raise ParticipantError("ARCHIVE_CORRUPT", "A member's extension header is damaged.")
        records[_text(key)] = value
    raise ParticipantError("ARCHIVE_CORRUPT", f"A member's extension header has more than {_MAX_RECORDS} records.")


def decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 19:
        raise ParticipantError("ARCHIVE_CORRUPT", "A member's extension header is damaged.")
    return int(digits)


def _until_nul(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _sparse() -> ParticipantError:
    return ParticipantError("ARCHIVE_BAD_MEMBER", f"The archive holds a file with holes (sparse): {_PLAIN}.")


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ParticipantError("ARCHIVE_BAD_MEMBER", "A member's name is not UTF-8.") from error
