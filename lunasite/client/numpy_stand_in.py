"""Stands in for numpy in `runner.zip`: driving a container only needs the names that annotations use.

A participant's machine may have no numpy. Where it has one, that one is found first.
"""

from __future__ import annotations

from typing import Any


class _Name:
    """A type nobody makes a value of; it may be subscripted as numpy's are."""

    def __getitem__(self, item: Any) -> _Name:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("this part of the platform needs numpy: install it beside the client")


def __getattr__(name: str) -> _Name:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Name()
