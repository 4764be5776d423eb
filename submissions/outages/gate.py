"""The gate of a worker group: while it is shut, its processes take no message from the queue.

The main process opens and shuts it; the processes that django-q2 forks from it inherit it.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.synchronize import Event


@dataclass
class _Gate:
    shut: Event
    stopping: Event


_gate: _Gate | None = None


def install() -> None:
    """Make the gate of this process and of those it will fork; open at first."""
    global _gate
    fork = multiprocessing.get_context("fork")
    _gate = _Gate(fork.Event(), fork.Event())


def set_shut(shut: bool) -> None:
    if _gate is not None:
        _gate.shut.set() if shut else _gate.shut.clear()


def stop() -> None:
    """Take nothing more, for good: the worker group ends."""
    if _gate is not None:
        _gate.stopping.set()


def is_open() -> bool:
    """Return whether messages may be taken; a process without a gate always may."""
    return _gate is None or not (_gate.shut.is_set() or _gate.stopping.is_set())


def is_stopping() -> bool:
    return _gate is not None and _gate.stopping.is_set()
