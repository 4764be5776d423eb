"""The output of a container as lines, while it runs."""

from __future__ import annotations

import select
import struct
from typing import Any

from submissions.runner.base import EngineFault
from submissions.runner.engine.errors import engine_fault

FRAME_BYTES = 4 << 20


class OutputStream:
    """The multiplexed output of an attached container, as lines."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._poll = select.poll()
        self._poll.register(socket, select.POLLIN | select.POLLHUP)
        self._raw = bytearray()
        self._text = bytearray()
        self.ended = False

    def lines(self, wait_s: float) -> list[bytes]:
        """Return the whole lines that came within `wait_s`; at once when there are some."""
        if self.ended or not self._poll.poll(max(0.0, wait_s) * 1000):
            return []
        try:
            chunk = self._socket.recv(256 * 1024)
        except OSError as error:
            raise engine_fault(error) from error
        self.ended = not chunk
        self._raw += chunk
        self._unframe()
        *lines, rest = self._text.split(b"\n")
        self._text = bytearray(rest)
        return [bytes(line) for line in lines]

    def _unframe(self) -> None:
        while len(self._raw) >= 8:
            size = struct.unpack(">I", self._raw[4:8])[0]
            if size > FRAME_BYTES:
                raise EngineFault("The engine's stream is broken.", staff_detail=f"frame of {size} bytes")
            if len(self._raw) < 8 + size:
                return
            self._text += self._raw[8 : 8 + size]
            del self._raw[: 8 + size]
