"""What is wrong with the file a container starts from, where its kernel only says "no such file"."""

from __future__ import annotations

import re
import struct

from submissions.runner.engine.image_contents import ImageContents

HEAD_BYTES = 64 << 10
STARTED = re.compile(r"exec (\S+) failed: No such file or directory")
PT_INTERP = 3


def start_fault_of(contents: ImageContents, logs: str) -> tuple[str, str]:
    """Return (program, `crlf`, `loader` or `missing`) for a program that the init could not start, ("", "") else."""
    found = STARTED.search(logs)
    if not found:
        return "", ""
    program = found.group(1)
    head = contents.head(program, HEAD_BYTES) if program.startswith("/") else b""
    if head.startswith(b"#!") and head.split(b"\n", 1)[0].endswith(b"\r"):
        return program, "crlf"
    loader = _loader(head)
    if loader and not contents.real_path(loader):
        return program, "loader"
    return program, "missing"


def _loader(head: bytes) -> str:
    """Return the loader that a 64-bit ELF file asks for, "" if it is none or asks for none."""
    if not head.startswith(b"\x7fELF\x02\x01") or len(head) < 64:
        return ""
    (table,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for number in range(min(count, 64)):
        at = table + number * size
        if at + 40 > len(head):
            return ""
        (kind,) = struct.unpack_from("<I", head, at)
        offset, length = struct.unpack_from("<Q", head, at + 8)[0], struct.unpack_from("<Q", head, at + 32)[0]
        if kind == PT_INTERP:
            return head[offset : offset + min(length, 256)].split(b"\0")[0].decode("latin-1")
    return ""
