"""The highest memory use of a container, without slowing the run down.

The kernel keeps the peak in the container's control group; where this process cannot read that (an engine
on another host), a thread asks the engine, whose answer takes about a second.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from submissions.runner.base import Engine, EngineFault
from submissions.runner.memory_group import group_of

ASK_EVERY_S = 2.0


class MemoryWatch:
    """Follows one running container; `peak_bytes` grows."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self.peak_bytes = 0
        self._container_id = container_id
        self._file = peak_file(engine, container_id)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if self._file is None:
            self._thread = threading.Thread(target=self._ask, args=(engine.twin(),), daemon=True)
            self._thread.start()

    def poll(self) -> int:
        """Read the peak now, where that is cheap, and return the highest seen."""
        if self._file is not None:
            # Once the container is gone its group is, too.
            with contextlib.suppress(OSError, ValueError):
                self.peak_bytes = max(self.peak_bytes, int(self._file.read_text()))
        return self.peak_bytes

    def close(self) -> None:
        self._stop.set()

    def _ask(self, engine: Engine) -> None:
        try:
            while not self._stop.is_set():
                self.peak_bytes = max(self.peak_bytes, engine.memory(self._container_id))
                self._stop.wait(ASK_EVERY_S)
        except EngineFault:
            pass
        finally:
            engine.close()


def peak_file(engine: Engine, container_id: str) -> Path | None:
    """Return the kernel's file with the peak of a container, or None where it cannot be read."""
    if not engine.is_local:
        return None
    found = group_of(engine.inspect(container_id)["State"].get("Pid", 0)).peak_file()
    # The process may have ended, and another have taken its number.
    return found if found is not None and container_id in str(found) and found.is_file() else None
