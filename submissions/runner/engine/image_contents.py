"""What an image holds, read from a container of it that was created and never starts."""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import dirname

from submissions.runner.base import ContainerFault, Engine
from submissions.runner.engine.errors import file_fault
from submissions.runner.engine.passwd_check import GO_DIRECTORY, GO_SYMLINK

PAGE_BYTES = 4096  # what the smallest file takes in memory
ACCOUNT_BYTES = 256 << 10


@dataclass
class Folder:
    """A folder of an image. size_bytes, files: of all below it, as far as it was read. is_whole: to its end."""

    path: str
    uid: int
    mode: int
    size_bytes: int = 0
    files: int = 0
    is_whole: bool = False


@dataclass
class Tree:
    """A folder and those below it by path, in the order of the archive."""

    folders: dict[str, Folder] = field(default_factory=dict)
    is_whole: bool = True


class ImageContents:
    """Reads files and folders of an image through a container of it; opens nothing on this machine."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self.engine = engine
        self.container_id = container_id

    def real_path(self, path: str) -> str:
        """Return where a path of the image leads, "" where nothing is."""
        mode, target = self.engine.stat(self.container_id, path)
        return (target if mode & GO_SYMLINK else path) if mode or target else ""

    def is_folder(self, path: str) -> bool:
        real = self.real_path(path)
        return bool(real) and bool(self.engine.stat(self.container_id, real)[0] & GO_DIRECTORY)

    def is_closed(self, path: str, home: str = "") -> bool:
        """Say whether a file or folder is there and its mode, or that of a folder above it, keeps others out.

        home: of the user, who is let into it whatever its mode.
        """
        real = self.real_path(path)
        if not real:
            return False
        modes = [self.engine.stat(self.container_id, above)[0] for above in _above(real) if above != home]
        mode = self.engine.stat(self.container_id, real)[0]
        return not mode & stat.S_IROTH or any(not each & stat.S_IXOTH for each in modes)

    def account_file(self, path: str) -> str:
        """Return the text of an account file, "" where there is none. Raises ContainerFault on anything odd.

        Pipes, devices and links into the kernel's folders were refused before this.
        """
        real = self.real_path(path)
        if not real:
            return ""
        try:
            archive = self.engine.read_archive(self.container_id, real, 2 * ACCOUNT_BYTES)
        except ContainerFault as fault:
            raise file_fault(path) from fault
        member = archive.next() if archive else None
        content = archive.extractfile(member) if archive and member and member.isreg() else None
        return content.read(ACCOUNT_BYTES).decode("utf-8", "replace") if content else ""

    def head(self, path: str, limit_bytes: int) -> bytes:
        """Return the beginning of a regular file, b"" where there is none."""
        real = self.real_path(path)
        if not real or self.engine.stat(self.container_id, real)[0] & GO_DIRECTORY:
            return b""
        with self.engine.open_archive(self.container_id, real) as source:
            if source is None:
                return b""
            with tarfile.open(fileobj=source, mode="r|") as archive:
                member = archive.next()
                content = archive.extractfile(member) if member and member.isreg() else None
                return content.read(limit_bytes) if content else b""

    def tree(self, path: str, limit_bytes: int) -> Tree:
        """Return the folders at and below `path`, no further than `limit_bytes` of their archive."""
        tree = Tree()
        for member in self.members(path, limit_bytes, tree):
            if member.isdir():
                tree.folders[member.name] = Folder(member.name, member.uid, stat.S_IMODE(member.mode))
            for folder in _at_and_above(tree, member.name):
                folder.files += 1
                folder.size_bytes += -(-member.size // PAGE_BYTES) * PAGE_BYTES if member.isreg() else 0
        for folder in tree.folders.values():
            folder.is_whole = tree.is_whole or not _is_on_the_way(folder.path, tree)
        return tree

    def members(self, path: str, limit_bytes: int, tree: Tree) -> Iterator[tarfile.TarInfo]:
        """Yield the members of a folder under their full paths; says in `tree` when it broke off."""
        with self.engine.open_archive(self.container_id, path) as source:
            if source is None:
                return
            limited = Limited(source, limit_bytes)
            try:
                with tarfile.open(fileobj=limited, mode="r|") as archive:  # type: ignore[call-overload]
                    for member in archive:
                        member.name = full_path(path, member.name)
                        yield member
            except TooMuch:
                tree.is_whole = False


class TooMuch(Exception):
    """A limit of bytes was reached."""


class Limited:
    """A stream that breaks off after so many bytes."""

    def __init__(self, source: object, limit_bytes: int) -> None:
        self._read = source.read  # type: ignore[attr-defined]
        self._left = limit_bytes

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise TooMuch
        return piece


def full_path(folder: str, name: str) -> str:
    """Return the image's path of an archive's member: its first part is the folder's own name."""
    rest = name.rstrip("/").partition("/")[2]
    return f"{folder}/{rest}" if rest else folder


def _above(path: str) -> Iterator[str]:
    while (path := dirname(path)) not in ("", "/"):
        yield path


def _at_and_above(tree: Tree, path: str) -> Iterator[Folder]:
    while path != "/":
        if path in tree.folders:
            yield tree.folders[path]
        path = dirname(path)


def _is_on_the_way(path: str, tree: Tree) -> bool:
    """Say whether the archive broke off inside this folder: the last one begun, or one above it."""
    last = next(reversed(tree.folders))
    return last == path or last.startswith(path + "/")
