"""The memory control group of a process: what it uses, and what was killed in it.

A job of a cluster runs this on its node, with Python's standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from submissions.runner.base import EngineFault

CONTROL_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    """A group of either version; `None` where this process is in none that can be read."""

    folder: Path | None
    is_v2: bool = False

    def kills(self) -> int:
        """Return how many processes were killed for memory since the group was made; 0 where it is not said."""
        return self._numbers("memory.events" if self.is_v2 else "memory.oom_control").get("oom_kill", 0)

    def set_limit(self, limit_bytes: int) -> None:
        """Bound the group, swap included where the kernel counts it. Raises EngineFault."""
        v1 = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        names = ("memory.max", "memory.swap.max") if self.is_v2 else v1
        limits = (limit_bytes, 0 if self.is_v2 else limit_bytes)
        if self.folder is None:
            return
        try:
            for name, limit in zip(names, limits, strict=True):
                if (self.folder / name).is_file():
                    (self.folder / name).write_text(str(limit))
        except OSError as error:
            raise EngineFault("The memory of a container cannot be bounded.", staff_detail=str(error)) from error

    def used_bytes(self) -> int:
        """Return what programs hold, without the cache of files."""
        stat = self._numbers("memory.stat")
        names = ("anon", "shmem") if self.is_v2 else ("total_rss", "total_shmem")
        return sum(stat.get(name, 0) for name in names)

    def peak_file(self) -> Path | None:
        """Return where the kernel writes the most that the group has used; the file need not be there."""
        return self.folder / ("memory.peak" if self.is_v2 else "memory.max_usage_in_bytes") if self.folder else None

    def limit_bytes(self) -> int:
        """Return the smallest limit of this group and those above it; 0 where there is none."""
        limits, folder = [], self.folder
        while folder is not None and folder != CONTROL_GROUPS and folder.is_dir():
            for name in ("memory.max", "memory.limit_in_bytes"):
                text = (folder / name).read_text().strip() if (folder / name).is_file() else ""
                limits += [int(text)] if text.isdigit() and int(text) < 1 << 60 else []
            folder = folder.parent
        return min(limits, default=0)

    def _numbers(self, name: str) -> dict[str, int]:
        try:
            lines = (self.folder / name).read_text().splitlines() if self.folder else []
        except OSError:
            return {}
        pairs = (line.split() for line in lines)
        return {words[0]: int(words[1]) for words in pairs if len(words) == 2 and words[1].isdigit()}


NO_GROUP = MemoryGroup(None)


def own_group() -> MemoryGroup:
    """Return the group of this process."""
    return group_of("self")


def group_of(pid: int | str) -> MemoryGroup:
    """Return the group of a process; none where the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return NO_GROUP
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return MemoryGroup(CONTROL_GROUPS / "memory" / path.lstrip("/"))
        unified = CONTROL_GROUPS / path.lstrip("/")
        if not controllers and (unified / "memory.events").is_file():
            return MemoryGroup(unified, is_v2=True)
    return NO_GROUP
