"""Take away what a lost worker left on an engine: ours, by label and instance, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from submissions.runner.base import Engine, EngineFault

# (evaluation, attempt) → whether a worker holds that attempt right now.
IsLive = Callable[[str, int], bool]
# Self-tests and the like have no evaluation row; their deadline alone decides.
ROWLESS = "selftest"


def reap(engine: Engine, prefix: str, instance: str, *, is_live: IsLive, now: float) -> list[str]:
    """Remove containers and volumes whose deadline passed or whose attempt nobody holds; return their names.

    now: seconds since the epoch, as in the deadline labels.
    """
    ours = {f"{prefix}.instance": instance}
    removed = []
    for container in engine.own_containers(ours):
        if _is_lost(container.labels, prefix, is_live, now):
            with contextlib.suppress(EngineFault):
                engine.remove(container.container_id)
                removed.append(container.name)
    for name, labels in engine.own_volumes(ours).items():
        if _is_lost(labels, prefix, is_live, now):
            with contextlib.suppress(EngineFault):
                engine.remove_volume(name)
                removed.append(name)
    return removed


def _is_lost(labels: Mapping[str, str], prefix: str, is_live: IsLive, now: float) -> bool:
    evaluation = labels.get(f"{prefix}.evaluation", "")
    attempt, deadline = (_number(labels.get(f"{prefix}.{key}", "")) for key in ("attempt", "deadline"))
    if deadline < now:
        return True
    return not evaluation.startswith(ROWLESS) and not is_live(evaluation, attempt)


def _number(text: str) -> int:
    """Return a label's number; one that is none reads as long past."""
    return int(text) if text.isascii() and text.isdigit() else 0
