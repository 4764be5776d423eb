"""Typed environment variables: a wrong value stops the start with its name.

Raises ImproperlyConfigured for every value that cannot be read, naming the variable and what it takes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


class Env:
    """Read variables from a mapping; an empty string counts as not set."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables = os.environ if variables is None else variables

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name, "").strip() or default

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name, "1" if default else "0").lower()
        if value not in TRUE | FALSE:
            raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
        return value in TRUE

    def whole(self, name: str, default: int, *, least: int = 0, most: int = 2**62) -> int:
        value = self.text(name, str(default))
        if not value.lstrip("-").isascii() or not value.lstrip("-").isdigit():
            raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
        return int(self._within(name, int(value), least, most))

    def number(self, name: str, default: float, *, least: float = 0.0, most: float = 1e9) -> float:
        value = self.text(name, str(default))
        try:
            return self._within(name, float(value), least, most)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.") from None

    def megabytes(self, name: str, default: str) -> int:
        """Return mebibytes from values such as `512m`, `4g` or plain `512` (already mebibytes)."""
        value = self.text(name, default).lower().removesuffix("b").removesuffix("i")
        factor = {"m": 1, "g": 1024}.get(value[-1:], 0)
        digits = value[:-1] if factor else value
        if not digits.isascii() or not digits.isdigit() or int(digits) == 0:
            raise ImproperlyConfigured(f"{name} must be a size such as 512m or 4g, not {value!r}.")
        return int(digits) * (factor or 1)

    def names(self, name: str, default: str = "") -> list[str]:
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    def path(self, name: str, default: Path) -> Path:
        value = self.text(name)
        return Path(value).expanduser().resolve() if value else default

    def _within(self, name: str, value: float, least: float, most: float) -> float:
        if not least <= value <= most:
            raise ImproperlyConfigured(f"{name} must lie between {least} and {most}, not {value}.")
        return value
