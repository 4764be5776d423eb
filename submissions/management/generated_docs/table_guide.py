"""Write what the ground-truth table of each kind holds into docs/organiser-guide.md."""

from __future__ import annotations

import re

from submissions.kinds import KINDS


def table_guide() -> str:
    """Return a paragraph for each kind: its option of `import_dataset`, and the columns of its table."""
    return "\n\n".join(f"**{kind.title}** (`--kind {kind.name}`) {kind.table_guide}" for kind in KINDS.values())


def filled_in(guide: str) -> str:
    """Return the guide with an updated section."""
    pattern = re.compile(r"(<!-- generated: tables -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{table_guide()}\n{match[2]}", guide)
