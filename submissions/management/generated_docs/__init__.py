"""The parts of the docs that are written from code, by page below docs/."""

from __future__ import annotations

from collections.abc import Callable

from . import disclosure_table, participant_guide, state_diagram, table_guide

PAGES: dict[str, Callable[[str], str]] = {
    "participant-guide.md": participant_guide.filled_in,
    "organiser-guide.md": table_guide.filled_in,
    "architecture.md": state_diagram.filled_in,
    "reference/csv.md": participant_guide.filled_in,
    "reference/disclosure.md": disclosure_table.filled_in,
}
