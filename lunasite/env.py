"""Typed environment variables: an invalid value stops the start.

Raises ImproperlyConfigured for every invalid value; the message names the variable and the values it accepts.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from submissions.storage.address import port_of

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
WHOLE = re.compile(r"-?[0-9]{1,18}")
NUMBER = re.compile(r"-?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)(e-?[0-9]{1,2})?", re.IGNORECASE)
LABEL = re.compile(r"(?=.{1,40}\Z)[a-z0-9]+(-[a-z0-9]+)*")
KEY = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
BASE64URL = str.maketrans("+/", "-_")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?")
BUCKET = re.compile(r"(?=.{3,63}\Z)(?![0-9.]+\Z)[a-z0-9]+([.-][a-z0-9]+)*")
LEAST_DIFFERENT = 8
RATE = re.compile(r"[1-9][0-9]{0,8}/(s|sec|second|m|min|minute|h|hour|d|day)")


def bracketed(host: str) -> str:
    """Return a host as addresses and Host headers write it: an IPv6 address in brackets, anything else as it is."""
    try:
        return f"[{IPv6Address(host.strip('[]')).compressed}]"
    except ValueError:
        return host


class Env:
    """Read variables from a mapping; an empty string counts as not set."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables = os.environ if variables is None else variables

    def text(self, name: str, default: str = "") -> str:
        """Return a variable, or the text of the file that NAME_FILE names, as Docker and Kubernetes mount secrets."""
        value, path = self.variables.get(name, "").strip(), self.variables.get(f"{name}_FILE", "").strip()
        if value and path:
            raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
        return value or (self._file_text(name, path) if path else "") or default

    def _file_text(self, name: str, path: str) -> str:
        try:
            return Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ImproperlyConfigured(f"{name}_FILE: {path} cannot be read ({reason}).") from None

    def secret(self, name: str, *, least: int) -> str:
        """Return a secret that cannot be guessed, or an empty text. least: characters."""
        value = self.text(name)
        if value and (len(value) < least or len(set(value)) < LEAST_DIFFERENT):
            raise ImproperlyConfigured(
                f"{name} is too easy to guess: at least {least} characters, {LEAST_DIFFERENT} of them different, such "
                "as `openssl rand -base64 48` prints."
            )
        return value

    def bucket(self, name: str, default: str) -> str:
        """Return a name that every S3 server accepts for a bucket; one that reads as an IP address is none."""
        value = self.text(name, default)
        if not BUCKET.fullmatch(value):
            raise ImproperlyConfigured(
                f"{name} must be 3 to 63 of a-z, 0-9, '-' and '.', and no number or address, not {value!r}."
            )
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name, "1" if default else "0").lower()
        if value not in TRUE | FALSE:
            raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
        return value in TRUE

    def whole(self, name: str, default: int, *, least: int = 0, most: int = 2**62) -> int:
        value = self.text(name, str(default))
        if not WHOLE.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
        return int(self._within(name, int(value), least, most))

    def number(self, name: str, default: float, *, least: float = 0.0, most: float = 1e9) -> float:
        value = self.text(name, str(default))
        if not NUMBER.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.")
        return self._within(name, float(value), least, most)

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

    def key(self, name: str) -> str:
        """Return 32 secret bytes as base64url without padding, or an empty text; either base64 alphabet is read."""
        found = self.keys(name)
        if len(found) > 1:
            raise ImproperlyConfigured(f"{name} must be one key, not {len(found)}.")
        key = "".join(found)
        if key and len(set(key)) < LEAST_DIFFERENT:
            raise ImproperlyConfigured(
                f"{name} is too easy to guess: take 32 random bytes, such as `openssl rand -base64 32` prints."
            )
        return key

    def keys(self, name: str) -> list[str]:
        """Return several keys, separated by commas."""
        found = [part.translate(BASE64URL).rstrip("=") for part in self.names(name)]
        if not all(KEY.fullmatch(part) for part in found):
            raise ImproperlyConfigured(f"{name} must be 32 bytes in base64, such as `openssl rand -base64 32` prints.")
        return found

    def hosts(self, name: str) -> list[str]:
        """Return host names, each with its port if it has one, such as `registry.example.org,localhost:5000`."""
        hosts = [part.lower() for part in self.names(name)]
        for host in hosts:
            if not HOST.fullmatch(host) or port_of(f"//{host}") is None:
                raise ImproperlyConfigured(f"{name} must list hosts such as registry.example.org:5000, not {host!r}.")
        return hosts

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    def rate(self, name: str, default: str) -> str:
        """Return a rate such as `600/min`, in REST framework's notation."""
        value = self.text(name, default)
        if not RATE.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be a rate such as 20/min or 600/hour, not {value!r}.")
        return value

    def url(self, name: str, default: str = "") -> str:
        """Return an http or https address without its trailing slash, or an empty text."""
        value = self.text(name, default).rstrip("/")
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and parts.hostname and port_of(value) is not None
        if value and not is_address:
            raise ImproperlyConfigured(f"{name} must be an address such as https://example.org, not {value!r}.")
        return value

    def redis(self, name: str) -> str:
        """Return the address of a Redis server, or an empty text. A password in it is never told."""
        value = self.text(name)
        parts = urlsplit(value)
        is_there = parts.path if parts.scheme == "unix" else parts.hostname and port_of(value) is not None
        if value and not (parts.scheme in ("redis", "rediss", "unix") and is_there):
            raise ImproperlyConfigured(f"{name} must be an address such as redis://host:6379/0.")
        return value

    def label(self, name: str, default: str) -> str:
        """Return a label that is valid in names of images, containers and volumes."""
        value = self.text(name, default)
        if not LABEL.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be 1 to 40 of a-z, 0-9 and single hyphens, not {value!r}.")
        return value

    def database(self, name: str, default: str, password: str = "") -> dict[str, Any]:
        """Return Django's entry for a database address such as postgres://user:password@host:5432/name.

        password: taken instead of the address's; here no character needs percent-encoding.
        """
        value = self.text(name, default)
        try:
            entry = {**dj_database_url.parse(value, conn_max_age=60, conn_health_checks=True)}
        except ValueError:  # the error's text may contain the password
            raise ImproperlyConfigured(
                f"{name} must be an address such as postgres://user:password@host:5432/name; percent-encode other "
                "characters than letters and digits in the password, or set DATABASE_PASSWORD."
            ) from None
        return entry | ({"PASSWORD": password} if password else {})

    def path(self, name: str, default: Path) -> Path:
        value = self.text(name)
        return Path(value).expanduser().resolve() if value else default

    def _within(self, name: str, value: float, least: float, most: float) -> float:
        if not least <= value <= most:
            raise ImproperlyConfigured(f"{name} must lie between {least} and {most}, not {value}.")
        return value
