"""Read everything in an archive in one pass: hash each member, keep small JSON, measure the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from posixpath import dirname, normpath

from submissions.faults import ParticipantError
from submissions.intake.image.bytes import ByteCursor, ExpansionBudget
from submissions.intake.image.decompress import decompressor, layer_compression
from submissions.intake.image.errors import BrokenStream, shown
from submissions.intake.image.hashing import Digest, HashLane
from submissions.intake.image.layer.headers import LayerHeaders
from submissions.intake.image.layer.programs import RecordBudget
from submissions.intake.image.limits import ArchiveLimits
from submissions.intake.image.tar import TarEnd, TarEntry, entries
from submissions.intake.tar_block import BLOCK_BYTES


@dataclass
class Unpacked:
    """The unpacked form of a compressed member; `broken` says why it has none. compression: "gzip" or "zstd"."""

    digest: Digest
    compression: str
    head: bytes = b""
    size: int = 0
    broken: ParticipantError | None = None


@dataclass
class ArchiveMember:
    """One regular member.

    offset, size: in the tar, in bytes. head: its first block or less.
    text: its bytes, kept if they look like JSON and are small.
    headers: the content of its tar headers if the member is a layer, which is a tar itself.
    """

    name: str
    offset: int
    size: int
    head: bytes
    digest: Digest
    headers: LayerHeaders
    unpacked: Unpacked | None = None
    text: bytes | None = None

    @property
    def sha256(self) -> str:
        """The digest of the stored bytes, hexadecimal."""
        return self.digest.hexdigest()


@dataclass
class Contents:
    """The members of an archive by normalised name."""

    files: dict[str, ArchiveMember] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    end: TarEnd = field(default_factory=TarEnd)

    @property
    def names(self) -> list[str]:
        """The names of all members."""
        return [*self.files, *self.links, *self.directories]

    def has(self, name: str) -> bool:
        """Return whether a member of any type has this name."""
        return name in self.files or name in self.links or name in self.directories

    def below(self, folder: str) -> Contents:
        """Return the members below a folder by their names in it."""
        prefix = folder + "/"
        links = {name: target for name, target in self.links.items() if name.startswith(prefix)}
        return Contents(
            files={name.removeprefix(prefix): file for name, file in self.files.items() if name.startswith(prefix)},
            links={name.removeprefix(prefix): target.removeprefix(prefix) for name, target in links.items()},
            directories={name.removeprefix(prefix) for name in self.directories if name.startswith(prefix)},
            end=self.end,
        )

    def file(self, name: str) -> ArchiveMember | None:
        """Return a regular member, following one link if `name` is a link."""
        return self.files.get(self.links.get(name, name))

    def check_links(self) -> None:
        """Raise ParticipantError (ARCHIVE_BAD_MEMBER) unless every link leads to a regular member."""
        for name, target in self.links.items():
            if target not in self.files:
                raise ParticipantError(
                    "ARCHIVE_BAD_MEMBER", f"The link {shown(name)} does not lead to a file of the archive."
                )


def read_contents(
    contents: Contents, cursor: ByteCursor, limits: ArchiveLimits, budget: ExpansionBudget, lane: HashLane
) -> None:
    """Read a tar to its end into `contents`; digests are complete once `lane` is closed.

    Members read before an ParticipantError stay in `contents`, so that the caller can recognise the file.
    """
    kept, records = _KeptText(limits), RecordBudget()
    for entry in entries(cursor, limits, contents.end):
        _refuse_duplicate(entry, contents)
        if entry.kind == "file":
            headers = LayerHeaders(limits.max_layer_members, records)
            contents.files[entry.name] = _read_file(entry, cursor, kept, budget, lane, headers)
        elif entry.kind == "directory":
            contents.directories.add(entry.name)
        else:
            contents.links[entry.name] = _link_target(entry)


def _refuse_duplicate(entry: TarEntry, contents: Contents) -> None:
    """Raise ParticipantError on a second member with the same name; a directory may be listed again."""
    is_taken = entry.name in contents.files or entry.name in contents.links
    was_directory = entry.name in contents.directories
    if is_taken or (was_directory and entry.kind != "directory"):
        raise ParticipantError("ARCHIVE_DUPLICATE_MEMBER", f"The archive holds {shown(entry.name)} twice.")


def _link_target(entry: TarEntry) -> str:
    """Return the member a link names; a symlink is relative to its folder, a hard link to the root.

    A target outside the archive becomes a name that no member can have.
    """
    base = dirname(entry.name) if entry.kind == "symlink" else ""
    return normpath(f"{base}/{entry.target}" if base and not entry.target.startswith("/") else entry.target)


class _KeptText:
    """Decide which members are small JSON to keep, within a total."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._left = limits.max_kept_json_bytes
        self._most = limits.max_json_bytes

    def wants(self, entry: TarEntry, head: bytes) -> bool:
        """Return whether the member may be one of the image's JSON files, and count its bytes."""
        looks_like_json = head.lstrip()[:1] in (b"{", b"[", b"")
        if not looks_like_json or entry.size > min(self._left, self._most):
            return False
        self._left -= entry.size
        return True


def _read_file(
    entry: TarEntry,
    cursor: ByteCursor,
    kept: _KeptText,
    budget: ExpansionBudget,
    lane: HashLane,
    headers: LayerHeaders,
) -> ArchiveMember:
    offset = cursor.offset
    head = cursor.take(min(entry.size, BLOCK_BYTES))
    file = ArchiveMember(entry.name, offset, entry.size, head, lane.begin(), headers)
    text: list[bytes] | None = [] if kept.wants(entry, head) else None
    compression = layer_compression(head)
    unpacking = _Unpacking(file, compression, budget, lane) if compression else None
    lane.update(file.digest, head)
    if unpacking:
        unpacking.feed(head)
    else:
        file.headers.feed(head)
    for piece in cursor.pieces(entry.size - len(head)):
        lane.update(file.digest, piece)
        if unpacking:
            unpacking.feed(piece)
        else:
            file.headers.feed(piece)
        if text is not None:
            text.append(piece)
    if unpacking:
        unpacking.finish()
    file.text = None if text is None else b"".join([head, *text])
    return file


class _Unpacking:
    """Unpack a compressed member while it is hashed.

    Damage is recorded, not raised: it only matters if the member turns out to be a layer.
    """

    def __init__(self, file: ArchiveMember, compression: str, budget: ExpansionBudget, lane: HashLane) -> None:
        self._unpacked = file.unpacked = Unpacked(lane.begin(), compression)
        self._headers = file.headers
        self._budget = budget
        self._lane = lane
        try:
            self._reader = decompressor(compression)
        except ParticipantError as error:
            self._unpacked.broken = error

    def feed(self, piece: bytes) -> None:
        """Unpack one more piece. Raises ParticipantError when the budget is spent."""
        if self._unpacked.broken:
            return
        try:
            for out in self._reader.feed(piece):
                self._take(out)
        except BrokenStream as error:
            self._unpacked.broken = error

    def finish(self) -> None:
        """Record whether the stream was complete."""
        if self._unpacked.broken:
            return
        try:
            self._reader.finish()
        except BrokenStream as error:
            self._unpacked.broken = error

    def _take(self, out: bytes) -> None:
        self._budget.spend(len(out))
        unpacked = self._unpacked
        unpacked.size += len(out)
        if len(unpacked.head) < BLOCK_BYTES:
            unpacked.head += out[: BLOCK_BYTES - len(unpacked.head)]
        self._lane.update(unpacked.digest, out)
        self._headers.feed(out)
