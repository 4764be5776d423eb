"""JSON from outside: what Python's parser lets through and ours does not."""

from __future__ import annotations

import json
from typing import Any


class NotStrictJson(ValueError):
    """NaN, Infinity, repeated keys, bad UTF-8, absurd nesting, or no JSON at all."""


def parse_strict(body: bytes) -> Any:
    """Return the value, or raise NotStrictJson. A byte order mark before it is let pass, as in a CSV."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except NotStrictJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotStrictJson("The answer is not JSON.") from error


def _refuse_constant(name: str) -> Any:
    raise NotStrictJson(f"The answer holds {name}, which is not JSON.")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotStrictJson("The answer repeats a key.")
    return result
