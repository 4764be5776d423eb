"""Check passwd and group of an image, which the engine itself reads, before its container starts."""

from __future__ import annotations

from submissions.runner.base import Engine
from submissions.runner.engine.errors import file_fault

ACCOUNT_FILES = ("/etc/passwd", "/etc/group")
KERNEL_FOLDERS = ("/proc/", "/sys/", "/dev/")
# Bits of Go's FileMode: a symbolic link; a directory is told by the engine itself; pipes, devices, sockets.
GO_SYMLINK = 1 << 27
GO_DIRECTORY = 1 << 31
# Beyond Go's bits: there is something without a permission; there is something nobody can reach.
SOMETHING, UNREACHABLE = 1 << 41, 1 << 40
GO_NO_FILE = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


def check_accounts(engine: Engine, container_id: str) -> None:
    """Raise ContainerFault unless what the engine itself reads of an image's files are regular ones, or none.

    It opens /etc/passwd before a start: on a pipe it waits for ever and never answers for that container again.
    Its runtime does so once more, with the kernel's own folders in place: no link may lead there.
    """
    for path in ACCOUNT_FILES:
        mode, target = engine.stat(container_id, path)
        if mode & GO_SYMLINK:
            if target.startswith(KERNEL_FOLDERS):
                raise file_fault(path)
            mode, _ = engine.stat(container_id, target)
        if mode & (GO_NO_FILE | GO_SYMLINK):
            raise file_fault(path)
