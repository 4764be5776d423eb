"""A model's writable file system: one bounded volume in memory that holds its folders, filled from the image.

The holder keeps the volume mounted, so that it can be filled before the model mounts its folders. The bound in bytes
and in files is the volume's own, for all folders together; what the model writes counts toward its memory.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import dirname, normpath

from submissions.runner.base import ContainerFault, Engine
from submissions.runner.engine.image_contents import ImageContents, full_path
from submissions.runner.identity import Identity
from submissions.runner.values import Bind, OutputVolume
from submissions.runner.writable.folders import Choice, WritableFolder
from submissions.text.printable import printable

PIECE_BYTES = 1 << 20
BLOCK = 512
PERMISSIONS = 0o1777


@dataclass(frozen=True)
class WritableRoot:
    """Folders of an image, and how to lay them out in a volume."""

    contents: ImageContents
    identity: Identity
    choice: Choice

    def binds(self, volume_folder: str) -> tuple[Bind, ...]:
        """Return the mounts of a filled volume that lies at `volume_folder` on the engine's machine."""
        return tuple(
            Bind(f"{volume_folder}/{number}", folder.path, read_only=False)
            for number, folder in enumerate(self.choice.folders)
        )

    def fill(self, engine: Engine, holder: str, at: str) -> None:
        """Copy the folders into the holder's volume, one numbered folder each. Raises ContainerFault, EngineFault."""
        engine.write_archive(holder, at, self._archive())

    def _archive(self) -> Iterator[bytes]:
        """Yield a tar of all folders: as the image has them, or handed over where its user is root."""
        for number, folder in enumerate(self.choice.folders):
            if folder.is_there:
                yield from self._copied(folder, str(number))
            else:
                yield self._header(_made(str(number)), is_handed_over=True)
        yield bytes(2 * BLOCK)

    def _copied(self, folder: WritableFolder, name: str) -> Iterator[bytes]:
        with self.contents.engine.open_archive(self.contents.container_id, folder.path) as source:
            if source is None:
                note = f"The folder {printable(folder.path)} of the image cannot be read."
                raise ContainerFault("CONTAINER_START", note)
            with tarfile.open(fileobj=source, mode="r|") as archive:
                for member in archive:
                    yield from self._member(archive, member, folder.path, name)

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, name: str) -> Iterator[bytes]:
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return  # a pipe or device: nodev anyway
        member.name = name + full_path(path, member.name).removeprefix(path)
        if member.islnk():
            member.linkname = name + full_path(path, member.linkname).removeprefix(path)
        if member.issym():
            member.linkname = _within(member.linkname, path + member.name.removeprefix(name), path)
        yield self._header(member, is_handed_over=self.identity.owns_as_root)
        content = archive.extractfile(member) if member.isreg() else None
        while content and (piece := content.read(PIECE_BYTES)):
            yield piece
        if content:
            yield bytes(-member.size % BLOCK)

    def _header(self, member: tarfile.TarInfo, *, is_handed_over: bool) -> bytes:
        """Return a header without extended attributes and set-user bits; in numbers, never in names."""
        member.pax_headers = {}
        member.uname = member.gname = ""
        member.mode &= PERMISSIONS
        if is_handed_over:
            member.uid, member.gid = self.identity.uid, self.identity.gid
            member.mode |= 0o700 if member.isdir() else 0o600
        return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _within(target: str, link: str, folder: str) -> str:
    """Return where a link leads, from the root where it leads out of its folder: an engine unpacks no such path."""
    if target.startswith("/"):
        return target
    leads_to = normpath(f"{dirname(link)}/{target}")
    return target if leads_to == folder or leads_to.startswith(f"{folder}/") else leads_to


def root_volume(name: str) -> OutputVolume:
    """Return the volume as its holder mounts it."""
    return OutputVolume(name, "/kept", read_only=False)


def _made(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member
