"""Print the disclosure policy as a table, for docs/reference/disclosure.md."""

from __future__ import annotations

import re

from submissions.disclosure import ITEMS, STATES


def disclosure_table() -> str:
    """Return one row for each thing that could be shown, with its form in each state of a phase."""
    lines = [f"| | {' | '.join(STATES)} | bits a try |", "| --- | --- | --- | --- | --- |"]
    for item in ITEMS.values():
        cells = [item.title, *(item.show(state).value for state in STATES), item.bits]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def filled_in(page: str) -> str:
    """Return the page with an updated table."""
    pattern = re.compile(r"(<!-- generated: disclosure -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{disclosure_table()}\n{match[2]}", page)
