"""What a program inside the sandbox can see and do: the evidence of the self-test."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

# Documentation range: nobody answers there, and nobody is disturbed where packets get out.
OUTSIDE = ("192.0.2.1", 80)
# More than any self-test allows.
MAX_PROCESSES = 256
# Calls that our seccomp profile denies, by their numbers on x86-64.
CALLS = {
    "ptrace": 101, "add_key": 248, "request_key": 249, "keyctl": 250, "perf_event_open": 298, "bpf": 321,
    "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
}  # fmt: skip


def look_around(witness_path: str, writable: str, limit_bytes: int, limit_files: int) -> dict[str, Any]:
    """Return plain facts.

    witness_path: a file the worker laid out, to prove that mounts arrive. writable: a folder that should take no more
    than `limit_bytes` and `limit_files`; four times as much is tried.
    """
    status = _status()
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "capabilities": int(status.get("CapEff", "1"), 16),
        "no_new_privileges": status.get("NoNewPrivs") == "1",
        "seccomp": status.get("Seccomp") == "2",
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "outside": _tried(_connect_outside),
        "root_write": _tried(lambda: _write("/luna-probe")),
        "mount_write": _tried(lambda: _write(witness_path + ".probe")),
        "tmp_write": _tried(lambda: _write("/tmp/luna-probe")),
        "tmp_bytes": _size("/tmp"),
        "shm_bytes": _size("/dev/shm"),
        "witness": _read(witness_path),
        "environment": sorted(os.environ),
        "let_through": [name for name in (*CALLS, "socket(AF_VSOCK)") if not _denied(name)],
        "resolv_conf": _read("/etc/resolv.conf"),
        "engine_socket": os.path.exists("/var/run/docker.sock"),
        "root_outside": _root_outside(),
        "processes": _processes_taken(MAX_PROCESSES),
        "writable_files": _files_taken(writable, 4 * limit_files),
        "writable_bytes": _bytes_taken(writable, 4 * limit_bytes),
    }


def _call_denied(number: int, *arguments: int) -> bool:
    """Say whether the kernel refuses a system call as such; other errors mean that it looked at the arguments."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    return result == -1 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EACCES)


def _denied(name: str) -> bool:
    if name == "socket(AF_VSOCK)":
        return _call_denied(41, 40, socket.SOCK_STREAM, 0)
    # Arguments that no kernel takes, so that a call that is let through does nothing.
    return _call_denied(CALLS[name], -1, -1, -1, -1, -1)


def _root_outside() -> int:
    """Return the user that root in here is outside, -1 where it is none."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        for line in file:
            inside, outside, count = map(int, line.split())
            if inside == 0 and count:
                return outside
    return -1


def _processes_taken(most: int) -> int:
    """Return how many processes can be had at once beside this one."""
    children: list[int] = []
    try:
        while len(children) < most:
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    return len(children)


def _files_taken(folder: str, most: int) -> int:
    """Return how many empty files a folder takes, -1 where it takes none at all."""
    names = [f"{folder}/luna-{number}" for number in range(most)]
    taken = 0
    try:
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
            taken += 1
    except OSError:
        pass
    for name in names[:taken]:
        os.unlink(name)
    return taken or -1


def _bytes_taken(folder: str, most: int) -> int:
    """Return how many bytes a file in a folder takes, as the fastest buffered writer; -1 where it takes none."""
    piece, name, taken = bytes(1 << 20), f"{folder}/luna-bytes", 0
    try:
        with open(name, "wb", buffering=0) as file:
            while taken < most:
                taken += file.write(piece)
    except OSError:
        pass
    if taken:
        os.unlink(name)
    return taken or -1


def _status() -> dict[str, str]:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.strip() for name, _, value in pairs}


def _tried(act: Callable[[], None]) -> str:
    """Return "done", or the error's name."""
    try:
        act()
    except OSError as error:
        return error.strerror or type(error).__name__
    return "done"


def _connect_outside() -> None:
    socket.create_connection(OUTSIDE, timeout=2).close()


def _write(path: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write("x")
    os.unlink(path)


def _size(path: str) -> int:
    sizes = os.statvfs(path)
    return sizes.f_blocks * sizes.f_frsize


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(1000)
    except OSError as error:
        return f"unreadable: {error.strerror}"
