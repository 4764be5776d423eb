"""State diagrams as tables: drawing Mermaid on the site would load a script from outside."""

import re

DIAGRAM = re.compile(r"```mermaid\nstateDiagram-v2\n(.*?)```", re.DOTALL)
ARROW = re.compile(r"^\s*(\S+) --> (\S+?)(?:: (.*))?$", re.MULTILINE)


def as_tables(markdown: str) -> str:
    """Return the page with each Mermaid state diagram as a table of its moves."""
    return DIAGRAM.sub(lambda found: _table(found[1]), markdown)


def _table(diagram: str) -> str:
    rows = [f"| {_state(start)} | {_state(end)} | {why or 'the end'} |" for start, end, why in ARROW.findall(diagram)]
    return "\n".join(["| from | to | when |", "| --- | --- | --- |", *rows, ""])


def _state(name: str) -> str:
    return "" if name == "[*]" else f"`{name}`"
