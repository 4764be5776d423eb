"""Which folders of an image a model may write to, where only folders and not the whole root can be bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from posixpath import normpath

from submissions.runner.base import ContainerFault
from submissions.runner.engine.image_contents import Folder, ImageContents, Tree
from submissions.runner.identity import Identity
from submissions.runner.values import MIB
from submissions.text.printable import printable

# Where images keep programs, results and homes; in this order they get room.
USUAL = ("/root", "/home", "/app", "/results", "/workspace", "/srv", "/var/tmp", "/opt")
# What the image itself needs to start, the kernel's folders, and what is a mount of its own already.
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/run")
OWN_MOUNTS = ("/tmp", "/input", "/output", "/opt/ml/model")
# So much of the bound may be taken by what the image brings; the rest is there to be written.
SHARE_OF_CONTENTS = 0.75
OVERHEAD_BYTES = 64 * MIB
SHOWN_FOLDERS = 10


@dataclass(frozen=True)
class WritableFolder:
    """A folder to be mounted writable. is_there: the image has it, so that its contents are kept."""

    path: str
    is_there: bool
    size_bytes: int = 0
    files: int = 0


@dataclass(frozen=True)
class Choice:
    """What may be written to, and what was left read-only since it holds too much."""

    folders: tuple[WritableFolder, ...]
    too_large: tuple[str, ...] = ()

    def left_read_only(self, root_mib: int) -> str:
        """Return what to know of the folders that hold too much, "" if none does."""
        if not self.too_large:
            return ""
        names = ", ".join(map(printable, self.too_large[:SHOWN_FOLDERS]))
        return (
            f"Read-only, since what they hold takes more than the {kept_mib(root_mib)} MiB that can be copied: "
            f"{names}. If your program writes there, name a smaller folder inside as a writable folder; one that is "
            "not there yet is made."
        )


def kept_mib(root_mib: int) -> int:
    """Return how much of the writable bound the contents of an image's folders may take."""
    return int(root_mib * SHARE_OF_CONTENTS)


def is_system_folder(path: str) -> bool:
    """Say whether a folder must stay as the image has it: `/`, what it starts from, and mounts of ours."""
    kept = (*(name for name in SYSTEM if name != "/usr"), *OWN_MOUNTS)
    return path in ("/", "/usr", "/var", "/opt/ml") or any(path == name or path.startswith(f"{name}/") for name in kept)


def choose_folders(
    contents: ImageContents,
    identity: Identity,
    working_dir: str,
    requested: Sequence[str],
    *,
    root_mib: int,
    files: int,
) -> Choice:
    """Return the folders a model gets writable: those asked for, then what its user owns, as far as they fit.

    Raises ContainerFault(CONTAINER_START) for one asked for that holds too much, or is none.
    """
    return _Chooser(contents, identity, int(root_mib * MIB * SHARE_OF_CONTENTS), files // 2).choose(
        working_dir, requested
    )


class _Chooser:
    def __init__(self, contents: ImageContents, identity: Identity, bytes_left: int, files_left: int) -> None:
        self.contents, self.identity = contents, identity
        self.bytes_left, self.files_left = bytes_left, files_left
        self.limit_bytes = bytes_left
        self.chosen: dict[str, WritableFolder] = {}
        self.too_large: list[str] = []

    def choose(self, working_dir: str, requested: Sequence[str]) -> Choice:
        for path in requested:
            self._take_asked(path)
        home = self.identity.home
        for path in dict.fromkeys(normpath(each) for each in (working_dir or "/", home, *USUAL) if each):
            self._look_at("/" + path.lstrip("/"))
        return Choice(tuple(self._outermost()), tuple(self.too_large))

    def _take_asked(self, path: str) -> None:
        real = self.contents.real_path(path)
        if not real:
            self.chosen[path] = WritableFolder(path, is_there=False)
            return
        tree = self.contents.tree(real, self.limit_bytes + OVERHEAD_BYTES)
        folder = tree.folders.get(real)
        if folder is None or is_system_folder(real):
            raise ContainerFault("CONTAINER_START", f"The writable folder {path} is not a folder one can write to.")
        if not self._takes(folder):
            limit = self.limit_bytes // MIB
            note = f"The writable folder {path} holds more than the {limit} MiB that are kept; name a smaller one."
            raise ContainerFault("CONTAINER_START", note)

    def _look_at(self, path: str) -> None:
        real = self.contents.real_path(path)
        if is_system_folder(real or path) or self._is_covered(real or path):
            return
        if not real:
            # Root would make it when it wants it.
            if self.identity.owns_as_root:
                self.chosen[path] = WritableFolder(path, is_there=False)
            return
        tree = self.contents.tree(real, self.limit_bytes + OVERHEAD_BYTES)
        for folder in self._candidates(tree, real):
            if is_system_folder(folder.path) or self._is_covered(folder.path):
                continue
            if not self._takes(folder):
                self.too_large.append(folder.path)

    def _candidates(self, tree: Tree, path: str) -> Iterator[Folder]:
        """Yield the outermost folders that the user may write to; of a large one of root's, those directly below."""
        if path not in tree.folders:
            return
        if not self.identity.owns_as_root:
            yield from _outermost_of(tree, self.identity.uid)
        elif self._fits(tree.folders[path]):
            yield tree.folders[path]
        else:
            yield from (folder for folder in tree.folders.values() if folder.path.rpartition("/")[0] == path)

    def _fits(self, folder: Folder) -> bool:
        return folder.is_whole and folder.size_bytes <= self.bytes_left and folder.files <= self.files_left

    def _takes(self, folder: Folder) -> bool:
        if not self._fits(folder) or is_system_folder(folder.path):
            return False
        self.bytes_left -= folder.size_bytes
        self.files_left -= folder.files
        self.chosen[folder.path] = WritableFolder(folder.path, True, folder.size_bytes, folder.files)
        return True

    def _is_covered(self, path: str) -> bool:
        return any(path == name or path.startswith(f"{name}/") for name in self.chosen)

    def _outermost(self) -> Iterator[WritableFolder]:
        for path, folder in self.chosen.items():
            if not any(path.startswith(f"{name}/") for name in self.chosen):
                yield folder


def _outermost_of(tree: Tree, uid: int) -> Iterator[Folder]:
    """Yield the folders of a user that lie in no other of its own; all of the file system for the world to write to."""
    taken: list[str] = []
    for folder in tree.folders.values():
        is_open = folder.uid == uid or folder.mode & 0o002
        if is_open and not any(folder.path.startswith(f"{name}/") for name in taken):
            taken.append(folder.path)
            yield folder


__all__ = ["Choice", "WritableFolder", "choose_folders", "is_system_folder"]
