"""CSV exports that a spreadsheet shows and never runs (T48)."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

# What spreadsheets take for the start of a formula; full-width forms are folded before the check.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
INVISIBLE = "\ufeff \u00a0\u200b"


def escape_formula(text: str) -> str:
    """Return `text` with an apostrophe before it if a spreadsheet would take it for a formula."""
    visible = unicodedata.normalize("NFKC", text.lstrip(INVISIBLE))
    return f"'{text}" if text.startswith(FORMULA_STARTS) or visible.startswith(FORMULA_STARTS) else text


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV: text made safe, numbers as numbers, nothing for None."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([escape_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue()
