"""Whether the kernel ended a process of a container for memory, on cgroup v1, where podman does not say it.

Its monitor looks at the control group when the container has ended, and by then the group is gone. So the kernel is
asked to count from before the start, as its documentation of cgroup v1 says (memory.oom_control, cgroup.event_control).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MEMORY = Path("/sys/fs/cgroup/memory")
SIGKILLED = 137


class OomWatch:
    """Counts one container's kills for memory from when it is made, which must be before the container starts."""

    def __init__(self, group: Path) -> None:
        self._control = group / "memory.oom_control"
        self._was_killed = False
        self._events = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        control = os.open(self._control, os.O_RDONLY | os.O_CLOEXEC)
        try:
            (group / "cgroup.event_control").write_text(f"{self._events} {control}")
        finally:
            os.close(control)

    def look(self) -> None:
        """Read the group's own count while there is a group: before a kill of ours, and at each look."""
        with contextlib.suppress(OSError):
            self._was_killed |= "oom_kill 0" not in self._control.read_text()

    def has_killed(self, exit_code: int | None) -> bool:
        """Return whether a process was ended for memory. exit_code: of a container that has ended.

        The end of the group is one event itself, which may come late: of a container that was killed, one is enough.
        """
        self.look()
        if not self._was_killed and exit_code is not None and not self._control.exists():
            with contextlib.suppress(BlockingIOError):
                events = os.eventfd_read(self._events)
                self._was_killed = events > 1 or exit_code == SIGKILLED
        return self._was_killed

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._events)


def watch_of(pid: int) -> OomWatch | None:
    """Return the watch of the container that a process is in, None where the kernel has no such count."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return OomWatch(MEMORY / path.lstrip("/"))
    return None
