"""Find the columns of a CSV that hold the ids and the values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from submissions.intake.csv.problems import CsvProblem, CsvProblems, shown, shown_columns
from submissions.kinds import Kind


@dataclass(frozen=True)
class Columns:
    """The position of each column in a row. values: (name as written, index) in the order of the predictions."""

    width: int
    id_name: str
    id_index: int
    values: tuple[tuple[str, int], ...]
    ignored: tuple[str, ...]


def read_header(header: Sequence[str], kind: Kind, first_row: str = "") -> Columns:
    """Return the columns that a kind needs, ignoring the case of names.

    first_row: the line after the header, used for better hints. Raises CsvProblems (CSV_COLUMNS).
    """
    names = [name.strip().lower() for name in header]
    id_names = [name for name in kind.id_columns if name in names][:1]
    value_names, missing = kind.value_columns(names)
    if not id_names:
        missing = [kind.template_header()[0], *missing]
    if missing:
        raise _missing(missing, header, kind, first_row)
    used = [*id_names, *value_names]
    _refuse_repeated(used, names)
    at = [names.index(name) for name in used]
    ignored = [name for index, name in enumerate(header) if index not in at and name.strip()]
    values = tuple((shown(header[index].strip(), 40)[1:-1], index) for index in at[1:])
    return Columns(len(header), header[at[0]].strip(), at[0], values, shown_columns(ignored))


def _refuse_repeated(used: Sequence[str], names: Sequence[str]) -> None:
    repeated = [name for name in used if names.count(name) > 1]
    if repeated:
        problems = [CsvProblem("CSV_COLUMNS", 1, name, "the column is there twice") for name in repeated]
        raise CsvProblems("CSV_COLUMNS", f"The column {repeated[0]} is there twice. Keep one of them.", problems)


def _missing(missing: Sequence[str], header: Sequence[str], kind: Kind, first_row: str) -> CsvProblems:
    hints = separator_hints(header, first_row)
    reasons = [hints[0].rstrip(".") if hints else _column_reason(name, header) for name in missing]
    problems = [CsvProblem("CSV_COLUMNS", 1, name, reason) for name, reason in zip(missing, reasons, strict=True)]
    expected = ",".join(kind.template_header())
    names = ", ".join(missing)
    subject = f"columns {names} are" if len(missing) > 1 else f"column {names} is"
    note = f"The {subject} missing. The first line must name the columns: {expected}."
    return CsvProblems("CSV_COLUMNS", " ".join(hints) or note, problems, {"columns": len(missing)}, hints)


def _column_reason(name: str, header: Sequence[str]) -> str:
    similar = difflib.get_close_matches(name.lower(), [text.strip().lower()[:64] for text in header[:50]], n=1)
    return f"the column is missing; did you mean {shown(similar[0])}?" if similar else "the column is missing"


SEPARATORS = ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"))
# What is text, but no table with a header, by how it begins.
OTHER_TEXTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("{", "["), "The file is JSON: write it as CSV, with one line for each case."),
    (("<",), "The file is a web page or XML, perhaps the page that asks to sign in: send the CSV itself."),
    (("#", "%", "//"), "The first line begins with a comment mark: delete the line, or the mark if it is the header."),
    (("'",), "The texts are in single quotes: write double quotes, or none."),
)
NO_HEADER = "The first line looks like data: add a header."
BLANK_BEFORE_QUOTE = (
    'A blank stands before a quote ("), which makes the quote part of the text: write commas without blanks.'
)
FRACTION = re.compile(r"[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")  # names no column
DECIMAL_COMMA = re.compile(r"(?:^|[;\t|\s\"])[0-9]+,[0-9]+")


def separator_hints(header: Sequence[str], first_row: str) -> list[str]:
    """Return hints from the shape of the header: which program wrote the file, and what to change there."""
    if [part.strip().lower() for part in header][:1] == ["sep="]:
        return ["The first line is an instruction to Excel (sep=): delete it."]
    if hint := other_text(header):
        return [hint]
    text = header[0].strip() if len(header) == 1 else ""
    if text.lower().startswith("sep="):
        return ["The first line is an instruction to Excel (sep=): delete it, and export the file with commas."]
    for mark, name in SEPARATORS:
        if mark in text:
            return [f"The columns are separated by {name}: export the file with commas.", *_comma_hint(first_row)]
    if "," in text:
        return ["Each line is one text in quotes: take the quotes around whole lines away."]
    if " " in text and "," in first_row:
        return ["The first line is a title and not the header: delete the lines above the header."]
    if " " in text:
        return ["The columns are separated by blanks: export the file with commas, in R with write.csv."]
    if _looks_like_data(header):
        return [NO_HEADER]
    return []


def other_text(header: Sequence[str]) -> str:
    """Return what a text is that is no table, or no plain one, "" where it may be one."""
    if any(part.lstrip().startswith('"') for part in header):
        return BLANK_BEFORE_QUOTE
    begin = header[0].strip() if header else ""
    return next((hint for marks, hint in OTHER_TEXTS if begin.startswith(marks)), "")


def _looks_like_data(header: Sequence[str]) -> bool:
    words = [part.strip() for part in header if part.strip()]
    are_numbers = bool(words) and all(word.replace(".", "").replace("-", "").isdigit() for word in words)
    return are_numbers or any(map(FRACTION.fullmatch, words))


def _comma_hint(first_row: str) -> list[str]:
    has_comma = DECIMAL_COMMA.search(first_row) is not None
    return ["The numbers have decimal commas: write points."] if has_comma else []
