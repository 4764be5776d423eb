"""Check how a participant's HTTP service differs from the contract (docs/reference/container-contract.md).

Only a path and a port are accepted: the host is always the container's own loopback.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any

from lunasite.http.errors import ApiError
from lunasite.http.strict_json import NotANumber, NotStrictJson, RepeatedKey, parse_strict
from submissions.kinds import KINDS
from submissions.runner.described_call import FILE_FIELDS
from submissions.runner.writable.folders import is_system_folder

PATH = re.compile(r"/[A-Za-z0-9/_-]{0,200}")
TOKEN = re.compile(r"[\x21-\x7e]{1,512}")
DOTTED = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}")
NAMINGS = ("camelCase", "csv")
OPTIONAL_FIELDS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.optional_fields))
FOLDER = re.compile(r"/(?!/)[A-Za-z0-9._@+-][A-Za-z0-9/._@+-]{0,199}")
MAX_FOLDERS = 8
MAX_JSON_CHARS = 4096


def checked_endpoint(value: Any) -> str:
    """Return a path such as `/api/v1/predict/lesion`, "" for none. Raises ApiError (INVALID_ENDPOINT)."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not PATH.fullmatch(value) or "//" in value:
        raise ApiError(
            400, "INVALID_ENDPOINT",
            "Give a path such as /api/v1/predict/lesion: letters, digits, '/', '_' and '-'; no host, no URL.",
            field="model_endpoint",
        )  # fmt: skip
    return value


def checked_port(value: Any) -> int:
    """Return a port from a number or a string of digits. Raises ApiError (INVALID_PORT)."""
    digits = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch("[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65535:
        raise ApiError(400, "INVALID_PORT", "A port is a whole number from 1 to 65535.", field="adapter.port")
    return int(digits)


def checked_adapter(value: Any) -> dict[str, Any]:
    """Return the adapter from JSON text or an object, without empty entries.

    Raises ApiError: INVALID_ADAPTER, INVALID_PORT, INVALID_ENDPOINT.
    """
    given = _parsed(value)
    unknown = sorted(given.keys() - CHECKS.keys())
    if unknown:
        raise invalid(f"There is no entry {unknown[0][:40]!r}; known are {', '.join(CHECKS)}.")
    filled = {name: item for name, item in given.items() if item not in (None, "", [])}
    return {name: CHECKS[name](item) for name, item in filled.items()}


def checked_folders(value: Any) -> list[str]:
    """Return absolute paths from a list or one a line or comma, at most 8. Raises ApiError (INVALID_FOLDER)."""
    if isinstance(value, str):
        value = _listed(value) if value.strip().startswith("[") else re.split(r"[\s,]+", value.strip())
    names: list[Any] = [item for item in value or () if item != ""] if isinstance(value, list) or not value else [None]
    if len(names) > MAX_FOLDERS or not all(isinstance(name, str) and FOLDER.fullmatch(name) for name in names):
        raise _bad_folder(f"Give up to {MAX_FOLDERS} absolute paths, such as /data/cache.")
    folders = list(dict.fromkeys(posixpath.normpath(name) for name in names))
    if kept := [name for name in folders if is_system_folder(name)]:
        raise _bad_folder(f"{kept[0]} is a folder of the system's, or writable already; name one of your own.")
    return folders


def _listed(text: str) -> Any:
    try:
        return _json(text)
    except ApiError as refusal:
        raise _bad_folder('Write the list as JSON, such as ["/data/cache"], or the paths one a line.') from refusal


def _bad_folder(message: str) -> ApiError:
    return ApiError(400, "INVALID_FOLDER", message, field="writable_folders")


def invalid(message: str, field: str = "adapter") -> ApiError:
    return ApiError(400, "INVALID_ADAPTER", message, field=field)


def _parsed(value: Any) -> dict[str, Any]:
    if isinstance(value, str) and value.strip():
        value = _json(value)
    if value in (None, "") or (isinstance(value, str) and not value.strip()):
        return {}
    if not isinstance(value, dict):
        raise invalid('The adapter is a JSON object, such as {"port": 9000}.')
    return value


def _json(text: str) -> Any:
    if len(text) > MAX_JSON_CHARS:
        raise invalid(f"The adapter is longer than {MAX_JSON_CHARS} characters.")
    try:
        return parse_strict(text)
    except (NotANumber, RepeatedKey) as error:
        raise invalid(f"The adapter {error}.") from None
    except NotStrictJson:
        raise invalid("The adapter is not JSON; use double quotes and no trailing comma.") from None


def _one_of(name: str, choices: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise invalid(f"{name} is one of {', '.join(choices)}.", f"adapter.{name}")
        return str(value)

    return check


def _text(name: str, pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise invalid(f"{name} must be {what}.", f"adapter.{name}")
        return value

    return check


def _omitted(value: Any) -> list[str]:
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(name in OPTIONAL_FIELDS for name in names):
        raise invalid(f"omit lists some of {', '.join(OPTIONAL_FIELDS)}.", "adapter.omit")
    return sorted(set(names))


CHECKS: dict[str, Callable[[Any], Any]] = {
    "port": checked_port,
    "path": checked_endpoint,
    "bearer_token": _text("bearer_token", TOKEN, "up to 512 printable ASCII characters without spaces"),
    "file_field": _one_of("file_field", FILE_FIELDS),
    "field_names": _one_of("field_names", NAMINGS),
    "omit": _omitted,
    "probability_path": _text("probability_path", DOTTED, "keys joined by dots, such as data.probability"),
}
