"""`hold` keeps a network namespace alive, `call PLAN` makes the calls of a plan, `probe` looks around,
`free` tells the engine's free disk."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from .calling import carry_out
from .probe import look_around


def main(arguments: list[str]) -> int:
    if arguments == ["hold"]:
        signal.pause()
        return 0
    if len(arguments) == 2 and arguments[0] == "call":
        carry_out(arguments[1], say)
        return 0
    if len(arguments) == 5 and arguments[0] == "probe":
        say(look_around(arguments[1], arguments[2], int(arguments[3]), int(arguments[4])))
        return 0
    if arguments == ["free"]:
        sizes = os.statvfs("/")
        say({"free_bytes": sizes.f_bavail * sizes.f_frsize})
        return 0
    return 64


_writing = threading.Lock()


def say(event: dict[str, Any]) -> None:
    """Write one event as one line."""
    line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    with _writing:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
