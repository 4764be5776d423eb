"""What a program inside the sandbox can see and do: the evidence of the self-test."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

# Documentation range: nobody answers there, and nobody is disturbed where packets get out.
OUTSIDE = ("192.0.2.1", 80)


def look_around(witness_path: str) -> dict[str, Any]:
    """Return plain facts. witness_path: a file the worker laid out, to prove that mounts arrive."""
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
        "engine_socket": os.path.exists("/var/run/docker.sock"),
    }


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
