"""Stand-in for numpy in `runner.zip`: driving a container needs only the names in type annotations.

A participant's machine may not have numpy. If it has, Python finds that one first.
"""

from __future__ import annotations

from typing import Any


class _Name:
    """A placeholder type that may be subscripted like numpy's types but has no instances."""

    def __getitem__(self, item: Any) -> _Name:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("this part of the platform needs numpy: install it beside the client")


def __getattr__(name: str) -> _Name:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Name()
