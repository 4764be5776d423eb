"""What is wrong with the file a container starts from, where its kernel only says "no such file"."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from posixpath import join, normpath

from submissions.runner.engine.image_contents import ImageContents
from submissions.runner.values import EngineImage

HEAD_BYTES = 64 << 10
STARTED = re.compile(r"exec (\S+) failed: No such file or directory")
PT_INTERP = 3
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def start_fault_of(contents: ImageContents, image: EngineImage, logs: str) -> tuple[str, str]:
    """Return (program, fault) for a program that the init could not start, ("", "") else.

    fault: `crlf`, `interpreter` (its first line names one that is not there), `loader`, or `missing`. program: where it
    lies in the image, as it stands in the command if it is missing.
    """
    found = STARTED.search(logs)
    if not found:
        return "", ""
    for path in _places(image, found.group(1)):
        if head := contents.head(path, HEAD_BYTES):
            return path, _fault_of(contents, head)
    return found.group(1), "missing"


def _places(image: EngineImage, program: str) -> Iterator[str]:
    """Yield where the init looks for a program: below WORKDIR if its name has a slash, else along PATH."""
    folder = image.working_dir or "/"
    if "/" in program:
        yield normpath(join(folder, program))
        return
    for place in image.environment.get("PATH", DEFAULT_PATH).split(":"):
        yield normpath(join(folder, place, program))


def _fault_of(contents: ImageContents, head: bytes) -> str:
    if head.startswith(b"#!"):
        first_line = head[2:].split(b"\n", 1)[0]
        if first_line.endswith(b"\r"):
            return "crlf"
        interpreter = first_line.split()[0].decode("latin-1") if first_line.split() else ""
        return "missing" if interpreter and contents.real_path(interpreter) else "interpreter"
    loader = _loader(head)
    return "loader" if loader and not contents.real_path(loader) else "missing"


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
