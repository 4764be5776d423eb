"""CSV exports with protection against CSV injection (formula injection, T48).

The rules extend those of OWASP's page on CSV injection and of the package `defusedcsv`: the start of a formula also
counts after invisible characters or in full-width form. The text is never changed except for the added apostrophe.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

# Characters that spreadsheets read as the start of a formula; full-width forms are folded before the check.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
INVISIBLE = "\ufeff \u00a0\u200b"


def escape_formula(value: object) -> object:
    """Prefix a text with an apostrophe if a spreadsheet would read it as a formula; return other values unchanged."""
    if not isinstance(value, str):
        return value
    visible = unicodedata.normalize("NFKC", value.lstrip(INVISIBLE))
    return f"'{value}" if value.startswith(FORMULA_STARTS) or visible.startswith(FORMULA_STARTS) else value


def csv_lines(header: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a table line by line, so that its size does not matter: texts escaped, None as an empty cell."""
    yield csv_line(header)
    yield from map(csv_line, rows)


def csv_line(values: Iterable[object]) -> str:
    """Return one line of a CSV (RFC 4180) with its line break."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(map(escape_formula, values))
    return text.getvalue()


def as_csv(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a whole table as CSV."""
    return "".join(csv_lines(header, rows))
