"""Times things against each other: interleaved rounds, medians, ratios."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

Work = Callable[[], object]


Clock = Callable[[], float]


def seconds(work: Work, clock: Clock) -> float:
    started = clock()
    work()
    return clock() - started


def medians(sides: dict[str, tuple[Work, int]], rounds: int = 5, clock: Clock = time.perf_counter) -> dict[str, float]:
    """Return the median seconds of each side, one call. sides: name → (work, calls a round), taken in turn.

    clock: time.process_time leaves out what others do on a shared machine; it fits work of one thread that
    waits for nothing.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for work, _ in sides.values():
        work()  # warm: imports, caches, plans
    for _ in range(rounds):
        for name, (work, calls) in sides.items():
            taken[name].append(statistics.median(seconds(work, clock) for _ in range(calls)))
    return {name: statistics.median(values) for name, values in taken.items()}


def compare(
    title: str,
    ours: tuple[Work, int],
    theirs: dict[str, tuple[Work, int]],
    target: str,
    clock: Clock = time.perf_counter,
) -> None:
    """Print our median, each alternative's, and their ratios."""
    found = medians({"ours": ours} | theirs, clock=clock)
    print(f"{title}\n  ours {milliseconds(found['ours'])}   target {target}")
    for name in theirs:
        print(f"  {name} {milliseconds(found[name])}   ratio {found[name] / found['ours']:.2f}")


def milliseconds(value: float) -> str:
    return f"{1000 * value:.2f} ms"


def machine() -> str:
    return f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}"
