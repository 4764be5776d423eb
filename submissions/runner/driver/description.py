"""What a service says of itself at /openapi.json, which FastAPI and others serve unasked: where it takes a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

DESCRIBED_AT = "/openapi.json"
MAX_FIELDS = 32
PATH = re.compile(r"/[A-Za-z0-9/_-]{1,120}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
# FastAPI calls a form that is a model the second, a file in it or not; a file can only come by the first.
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def described_calls(text: bytes) -> list[dict[str, Any]]:
    """Return the POSTs of a form with one file: `path`, `file`, `fields` that it must have, `others` that it may have.

    takes_more: whether a field that is not among these is ignored. Whatever cannot be read is left out.
    """
    try:
        document = json.loads(text)
        return list(_calls(document))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return []


def _calls(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        form = next((content[name] for name in FORMS if name in content), None)
        if form is None or not PATH.fullmatch(path) or "//" in path:
            continue
        schema = _resolved(form["schema"], document)
        properties = {name: _resolved(value, document) for name, value in schema["properties"].items()}
        files = [name for name, value in properties.items() if _is_file(value)]
        fields = [name for name in properties if name not in files]
        if len(files) == 1 and len(properties) <= MAX_FIELDS and all(map(NAME.fullmatch, properties)):
            needed = schema.get("required", [])
            yield {
                "path": path,
                "file": files[0],
                "fields": [name for name in fields if name in needed],
                "others": [name for name in fields if name not in needed],
                "takes_more": schema.get("additionalProperties") is not False,
            }


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference within the document leads to, one step, and the part that FastAPI wraps."""
    [alone] = schema["allOf"] if len(schema.get("allOf", ())) == 1 else [schema]
    reference = alone.get("$ref", "")
    found: Any = document if reference else alone
    for key in reference.split("/")[1:]:
        found = found[key]
    return dict(found)


def _is_file(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "string" and ("contentMediaType" in schema or schema.get("format") == "binary")
