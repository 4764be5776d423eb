"""The API reference as Markdown, from the OpenAPI schema that the site itself serves."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BOUNDS = {
    "minimum": "≥",
    "maximum": "≤",
    "maxLength": "up to",
    "minLength": "at least",
    "maxItems": "up to",
    "minItems": "at least",
}
FORMATS = {"binary": "file", "date-time": "time (ISO 8601)", "uri": "address", "uuid": "UUID"}
INTRO = """# API endpoints

Generated from the OpenAPI schema, which a running site serves at `/api/v1/schema/` and shows at `/api/docs/`. What
holds for all of them (authentication, errors, limits) is in the [API contract](api-contract.md);
[API by example](../api.md) shows the way.
"""


def schema(root: Path) -> dict[str, Any]:
    """Return the schema as `manage.py spectacular` writes it, made without a database or models."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "DATA_DIR": folder, "LOAD_MODEL": "0"}
        command = [sys.executable, "manage.py", "spectacular", "--format", "openapi-json", "--fail-on-warn"]
        answer = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def page(api: dict[str, Any]) -> str:
    """Return the whole page: endpoints by tag, then what their bodies hold."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict):
                by_tag.setdefault(operation["tags"][0], []).append("\n".join(_operation(method, path, operation, api)))
    tags = "".join(f"\n## {tag}\n\n" + "\n".join(entries) for tag, entries in by_tag.items())
    bodies = "".join("\n".join(_body(name, body)) for name, body in sorted(api["components"]["schemas"].items()))
    return f"{INTRO}{tags}\n## Bodies\n\n{bodies}"


def _operation(method: str, path: str, operation: dict[str, Any], api: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n"
    yield f"{_cell(operation.get('description', ''))}\n"
    yield f"Who: {_who(operation, api)}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | needed | meaning |\n| --- | --- | --- | --- | --- |"
        for parameter in parameters:
            yield (
                f"| `{parameter['name']}` | {parameter['in']} | {_kind(parameter.get('schema', {}))} | "
                f"{_yes(parameter.get('required'))} | {_cell(parameter.get('description', ''))} |"
            )
        yield ""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Send `{media}`: {_kind(content.get('schema', {}))}\n"
    yield "| answer | body |\n| --- | --- |"
    for status, answer in sorted(operation["responses"].items()):
        bodies = [
            f"{_kind(content.get('schema', {}))} (`{media}`)" for media, content in answer.get("content", {}).items()
        ]
        yield f"| {status} | {', '.join(bodies) or _cell(answer.get('description', '')) or 'none'} |"
    yield ""


def _who(operation: dict[str, Any], api: dict[str, Any]) -> str:
    schemes = operation.get("security", api.get("security", []))
    names = [" and ".join(scheme) if scheme else "anybody" for scheme in schemes]
    return ", or ".join(names) or "anybody"


def _body(name: str, body: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if text := body.get("description"):
        yield f"{_cell(text)}\n"
    if "properties" not in body:
        yield f"{_kind(body)}\n\n"
        return
    needed = body.get("required", [])
    yield "| field | type | always | meaning |\n| --- | --- | --- | --- |"
    for field, kind in body["properties"].items():
        yield f"| `{field}` | {_kind(kind)} | {_yes(field in needed)} | {_cell(kind.get('description', ''))} |"
    yield "\n"


def _kind(kind: dict[str, Any]) -> str:
    """Say in a few words which values a schema takes."""
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for join in ("oneOf", "anyOf", "allOf"):
        if join in kind:
            return " or ".join(dict.fromkeys(_kind(part) for part in kind[join]))
    if "enum" in kind:
        return ", ".join(f"`{json.dumps(value)}`" for value in kind["enum"])
    if kind.get("type") == "array":
        return f"list of {_kind(kind.get('items', {}))}"
    if isinstance(kind.get("additionalProperties"), dict):
        return f"object of {_kind(kind['additionalProperties'])}"
    words = " ".join([_word(kind.get("type", "anything"), kind), *_bounds(kind)])
    return f"{words} or null" if kind.get("nullable") else words


def _word(word: str, kind: dict[str, Any]) -> str:
    return FORMATS.get(kind.get("format", ""), word)


def _bounds(kind: dict[str, Any]) -> Iterator[str]:
    for key, word in BOUNDS.items():
        if key in kind:
            unit = " characters" if key.endswith("Length") else " entries" if key.endswith("Items") else ""
            yield f"{word} {kind[key]}{unit}"


def _yes(is_so: Any) -> str:
    return "yes" if is_so else ""


def _cell(text: str) -> str:
    """Return text that keeps a table whole and is not read as HTML."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
