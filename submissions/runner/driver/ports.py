"""Which ports somebody listens on in this network namespace, which the model shares."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTEN = "0A"
LOOK_EVERY_S = 0.5
MAX_LINES = 1000
MAX_PORTS = 16


def listening_ports() -> list[int]:
    """Return the TCP ports that are listened on, sorted, a few at most."""
    found = set()
    for table in TABLES:
        try:
            with open(table, encoding="ascii") as file:
                for _, line in zip(range(MAX_LINES), file, strict=False):
                    words = line.split()
                    if len(words) > 3 and words[3] == LISTEN:
                        found.add(int(words[1].rpartition(":")[2], 16))
        except OSError:
            continue
    return sorted(found)[:MAX_PORTS]


class Ports:
    """Tells which ports are listened on while the called one is not, whenever that changes."""

    def __init__(self, called: int, say: Callable[[dict[str, Any]], None]) -> None:
        self.called = called
        self.say = say
        self._told: list[int] = []
        self._next_look = 0.0

    def look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        ports = listening_ports()
        if ports != self._told:
            self._told = ports
            self.say({"event": "listening", "ports": ports})
