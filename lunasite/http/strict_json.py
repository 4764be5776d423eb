"""Strict JSON (RFC 8259) from untrusted senders: no duplicate keys, no NaN, bounded depth.

NotStrictJson      not JSON: bad UTF-8, a syntax error, nested too deep
 +-- NotANumber    NaN or Infinity in place of a number
 +-- RepeatedKey   a key twice in one object, where another reader may take the other value

The message of each is the end of a sentence: "is not JSON", "repeats a key".
"""

from __future__ import annotations

import json
from typing import Any


class NotStrictJson(ValueError):
    """The text is not JSON with a single meaning."""


class NotANumber(NotStrictJson):
    """The text holds NaN or Infinity."""


class RepeatedKey(NotStrictJson):
    """An object in the text has a key twice."""


def parse_strict(text: bytes | str, *, may_begin_with_bom: bool = False) -> Any:
    """Return the value, or raise NotStrictJson. may_begin_with_bom: accept a byte order mark, as in a CSV."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        if may_begin_with_bom:
            text = text.removeprefix("\ufeff")
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except NotStrictJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotStrictJson("is not JSON") from error


def _refuse_constant(name: str) -> Any:
    raise NotANumber(f"holds {name}, which is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise RepeatedKey("repeats a key")
    return value
