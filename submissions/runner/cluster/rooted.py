"""Files below a folder that somebody else filled: no link in it leads outside, and owners are those of the inside.

In a job, user 0 of a container is user 1 of the job's own user namespace, so that no container has the job's user.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from submissions.runner.engine.passwd_check import GO_DIRECTORY, GO_SYMLINK, SOMETHING, UNREACHABLE

ID_SHIFT = 1
MAX_LINKS = 40
# Of Go's FileMode: device, pipe, socket, character device.
GO_KINDS = {
    stat.S_IFDIR: GO_DIRECTORY, stat.S_IFLNK: GO_SYMLINK, stat.S_IFBLK: 1 << 26, stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25, stat.S_IFSOCK: 1 << 24,
}  # fmt: skip


class TooManyLinks(OSError):
    """Links that lead to each other."""


def real_path(root: Path, path: str, *, follows_last: bool = True) -> str:
    """Return where a path leads, links taken from `root` on as a process inside would; what is not there stays.

    Raises TooManyLinks.
    """
    waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    found: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            found = found[:-1]
            continue
        here = root.joinpath(*found, part)
        if here.is_symlink() and (waiting or follows_last):
            links += 1
            if links > MAX_LINKS:
                raise TooManyLinks(path)
            target = os.readlink(here)
            found = [] if target.startswith("/") else found
            waiting += [piece for piece in reversed(target.split("/")) if piece not in ("", ".")]
            continue
        found.append(part)
    return "/" + "/".join(found)


def below(root: Path, path: str, *, follows_last: bool = True) -> Path:
    """Return the same as a path of this machine; nothing on the way to it is a link."""
    return root / real_path(root, path, follows_last=follows_last).lstrip("/")


def go_stat(root: Path, path: str) -> tuple[int, str]:
    """Return (mode as Go has it, where a link leads in the end); (0, "") where nothing is."""
    try:
        place = below(root, path, follows_last=False)
        status = place.lstat()
        target = real_path(root, path) if stat.S_ISLNK(status.st_mode) else ""
    except (FileNotFoundError, NotADirectoryError):
        return 0, ""
    except OSError:
        return UNREACHABLE, ""
    kind = GO_KINDS.get(stat.S_IFMT(status.st_mode), 0)
    return kind | status.st_mode & 0o777 or SOMETHING, target


def write_tar(root: Path, path: str, out: IO[bytes]) -> None:
    """Write a file or folder as a tar whose members begin with its own name, as `docker cp` does."""
    place = below(root, path)
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for each, name in _walk(place, posixpath.basename(path.rstrip("/")) or "."):
            _add(archive, each, name)


def _walk(place: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield place, name
    if place.is_dir() and not place.is_symlink():
        for entry in sorted(os.listdir(place)):
            yield from _walk(place / entry, f"{name}/{entry}")


def _add(archive: tarfile.TarFile, place: Path, name: str) -> None:
    member = archive.gettarinfo(place, name)
    if member is None:  # a socket
        return
    member.uid, member.gid = max(0, member.uid - ID_SHIFT), max(0, member.gid - ID_SHIFT)
    member.uname = member.gname = ""
    if not member.isreg():
        archive.addfile(member)
        return
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as content:
        archive.addfile(member, content)


def unpack_tar(folder: Path, archive: Iterable[bytes]) -> None:
    """Unpack a tar into a folder, which a child process makes its root first: no link leads out. Raises OSError."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(_unpack(folder, reading, writing))
    os.close(reading)
    try:
        with os.fdopen(writing, "wb") as pipe:
            for piece in archive:
                pipe.write(piece)
    except BrokenPipeError:
        pass
    finally:
        _, status = os.waitpid(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise OSError(code if code > 0 else None, os.strerror(code) if code > 0 else f"unpacking ended with {code}")


def _unpack(folder: Path, reading: int, writing: int) -> int:
    """Return 0, or the number of the error; runs in the child."""
    try:
        os.close(writing)
        os.chroot(folder)
        os.chdir("/")
        with os.fdopen(reading, "rb") as pipe, tarfile.open(fileobj=pipe, mode="r|") as members:
            for member in members:
                _extract(members, member)
    except OSError as error:
        return error.errno or 1
    except Exception:  # noqa: BLE001 — whatever it was, it must not run on as a second worker
        return 1
    return 0


def _extract(members: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    member.uid, member.gid = member.uid + ID_SHIFT, member.gid + ID_SHIFT
    options: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    members.extract(member, ".", numeric_owner=True, **options)
