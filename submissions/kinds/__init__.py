"""The kinds of task (task types). A new one is a file here with a `KIND`; no other module names it or branches on it.

Framework-free; imports nothing else of the platform. A kind defines: the contents of a ground-truth table and of
a CSV, the request to a container, how an answer is read and stored, its metrics and curves, and how a case is shown.
"""

from __future__ import annotations

import importlib
import pkgutil

from .base import BadAnswer, CaseContent, Facts, Kind, UnexpectedAnswer


def _discovered() -> dict[str, Kind]:
    """Return the `KIND` of every module of this package that has one, by name."""
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "KIND", None)
        if kind is not None:
            assert kind.name not in found, f"two kinds are called {kind.name}"
            found[kind.name] = kind
    return found


KINDS: dict[str, Kind] = _discovered()

__all__ = ["KINDS", "BadAnswer", "CaseContent", "Facts", "Kind", "UnexpectedAnswer"]
