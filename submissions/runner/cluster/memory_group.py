"""The memory control group that the batch system put this job into: what it uses, and what was killed in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONTROL_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    """A group of either version; `None` where this process is in none that can be read."""

    folder: Path | None
    is_v2: bool = False

    def kills(self) -> int:
        """Return how many processes were killed for memory since the group was made; 0 where it is not said."""
        return self._numbers("memory.events" if self.is_v2 else "memory.oom_control").get("oom_kill", 0)

    def used_bytes(self) -> int:
        """Return what programs hold, without the cache of files."""
        stat = self._numbers("memory.stat")
        names = ("anon", "shmem") if self.is_v2 else ("total_rss", "total_shmem")
        return sum(stat.get(name, 0) for name in names)

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


def own_group() -> MemoryGroup:
    """Return the group of this process."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return MemoryGroup(CONTROL_GROUPS / "memory" / path.lstrip("/"))
        unified = CONTROL_GROUPS / path.lstrip("/")
        if not controllers and (unified / "memory.events").is_file():
            return MemoryGroup(unified, is_v2=True)
    return MemoryGroup(None)
