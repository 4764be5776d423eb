"""The kinds of task. A new one is a file here with a `KIND`; nothing else names or branches on a kind.

Framework-free, and imports nothing else of the platform. What a kind decides: what a truth table and a CSV hold, the
request to a container, how its answer is read and stored, which metrics and curves score it, how a case is shown.
"""

from __future__ import annotations

import importlib
import pkgutil

from .base import BadAnswer, CaseContent, Facts, Kind, UnexpectedAnswer


def _discovered() -> dict[str, Kind]:
    """Return the `KIND` of every module of this package that has one, by its name."""
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "KIND", None)
        if kind is not None:
            assert kind.name not in found, f"two kinds are called {kind.name}"
            found[kind.name] = kind
    return found


KINDS: dict[str, Kind] = _discovered()

__all__ = ["KINDS", "BadAnswer", "CaseContent", "Facts", "Kind", "UnexpectedAnswer"]
