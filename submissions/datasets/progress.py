"""How far an import has come: told to whoever waits for it, who may also stop it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Both methods may raise to stop the import; then nothing of it is kept."""

    def step(self, name: str, total: int) -> None:
        """Begin a step. total: how many times, or bytes, `advance` will report."""
        ...

    def advance(self, count: int = 1) -> None: ...


class Silent:
    """Tells nobody."""

    def step(self, name: str, total: int) -> None:
        """Do nothing."""

    def advance(self, count: int = 1) -> None:
        """Do nothing."""


SILENT: Progress = Silent()
