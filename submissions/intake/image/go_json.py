"""Read JSON written by image builders, and look up its fields as an engine does: no duplicate keys.

Engines are written in Go, which matches field names without regard to case and takes the last of two. A reader that
takes `Env` where Go takes `eNV` would check one config and run another. So a field is looked up as in Go, and may
occur only once.
"""

from typing import Any, cast

from lunasite.http.strict_json import NotStrictJson, parse_strict


class BadJson(ValueError):
    """The text is not JSON with exactly one meaning, or a field has a value of the wrong type."""


def parse(text: bytes) -> Any:
    """Return the value. Raises BadJson where `parse_strict` refuses."""
    try:
        return parse_strict(text)
    except NotStrictJson as error:
        raise BadJson(f"it {error}") from error


def field(value: dict[str, Any], name: str) -> Any:
    """Return the field that Go would read for `name`, None if absent. Raises BadJson on two spellings."""
    found = [key for key in value if key.casefold() == name.casefold()]
    if len(found) > 1:
        raise BadJson(f"{name} appears in two spellings")
    return value[found[0]] if found else None


def object_field(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object, {} for null or absent. Raises BadJson on any other type."""
    found = field(value, name)
    if not isinstance(found, dict | None):
        raise BadJson(f"{name} is not an object")
    return found or {}


def list_field(value: dict[str, Any], name: str) -> list[Any]:
    """Return a list, [] for null or absent. Raises BadJson on any other type."""
    found = field(value, name)
    if not isinstance(found, list | None):
        raise BadJson(f"{name} is not a list")
    return found or []


def text_field(value: dict[str, Any], name: str) -> str:
    """Return a string, "" for null or absent. Raises BadJson on any other type."""
    found = field(value, name)
    if not isinstance(found, str | None):
        raise BadJson(f"{name} is not a string")
    return _plain(found or "", name)


def text_list_field(value: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of strings, () for null or absent. Raises BadJson on any other type."""
    found = list_field(value, name)
    if not all(isinstance(item, str) for item in found):
        raise BadJson(f"{name} is not a list of strings")
    return tuple(_plain(item, name) for item in cast(list[str], found))


def _plain(text: str, name: str) -> str:
    """Return `text` unless it contains what no file or process name can: NUL or half a surrogate pair."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise BadJson(f"{name} holds characters that are none")
    return text
