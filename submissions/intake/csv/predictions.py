"""Read a CSV of predictions, trusting nothing in it.

Framework-free. `read_predictions` returns the predictions in the order of the phase's cases, or raises CsvProblems,
which tells every problem a participant can fix and never a truth value nor an id that is not in the file itself.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from submissions.intake.csv.header import Columns, read_header
from submissions.intake.csv.problems import CsvProblem, CsvProblems, ProblemLog, shown
from submissions.intake.csv.text import as_text, read_bytes
from submissions.kinds import Kind

MAX_ID_LENGTH = 512
MAX_ROWS = 250_000
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")

__all__ = [
    "CsvProblem",
    "CsvProblems",
    "PredictionTable",
    "max_rows",
    "read_predictions",
    "template",
]


@dataclass(frozen=True)
class PredictionTable:
    """What a good file says. predictions: as the kind gathers them, in the order of the phase's ids."""

    predictions: Any
    rows: int
    id_column: str
    value_columns: tuple[str, ...]
    ignored_columns: tuple[str, ...] = field(default=())

    @property
    def report(self) -> dict[str, object]:
        """What the file was understood to say, for pages and the API."""
        return {
            "rows": self.rows,
            "id_column": self.id_column,
            "value_columns": list(self.value_columns),
            "ignored_columns": list(self.ignored_columns),
        }


def max_rows(n_ids: int, kind: Kind) -> int:
    """Return how many rows are read before a file is called too long: enough to name what is doubled."""
    most = kind.rows_a_case[1]
    return 2 * n_ids + 1000 if most == 1 else min(most * n_ids + 1000, MAX_ROWS)


def read_predictions(data: bytes | BinaryIO, kind: Kind, ids: Sequence[str], *, max_bytes: int) -> PredictionTable:
    """Return the predictions of a CSV, aligned with `ids`.

    data: the file, as bytes or open for reading in binary. ids: the public ids of the phase's cases.
    Raises CsvProblems.
    """
    text = as_text(read_bytes(data, max_bytes), max_rows=max_rows(len(ids), kind))
    rows = _records(text)
    header = next(rows, (1, []))[1]
    columns = read_header(header, kind)
    reading = _Reading(columns, kind, ids)
    reading.read_all(rows)
    return reading.result()


def template(kind: Kind, ids: Sequence[str]) -> str:
    """Return a CSV to fill in: the header and every id, with a value that says nothing."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(kind.template_header())
    writer.writerows([public_id, *kind.template_values()] for public_id in ids)
    return out.getvalue()


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number of its start, fields) of each record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _unreadable(line, str(error)) from error
        if fields:
            yield line, fields


def _unreadable(line: int, reason: str) -> CsvProblems:
    if "end of data" in reason or "field limit" in reason:
        reason = 'a quote (") is opened and never closed'
    elif "expected after" in reason:
        reason = 'a closing quote (") is followed by something else than a comma'
    else:
        reason = "the line cannot be read as comma-separated values"
    problem = CsvProblem("CSV_FORMAT", line, None, reason)
    return CsvProblems("CSV_FORMAT", f"Line {line}: {reason}.", [problem])


class _Reading:
    """One pass over the rows: fills the values, and logs what is wrong."""

    def __init__(self, columns: Columns, kind: Kind, ids: Sequence[str]) -> None:
        self.columns, self.kind, self.ids = columns, kind, ids
        self.position = {public_id: index for index, public_id in enumerate(ids)}
        self.ranges = [kind.value_range(name.lower()) for name, _ in columns.values]
        # Tuples of numbers: the garbage collector leaves them alone, and there may be many.
        self.rows: dict[int, tuple[tuple[float, ...], ...]] = {}
        self.first_line: dict[str, int] = {}
        self.log = ProblemLog()
        self.unknown: Counter[str] = Counter()
        self.n_rows = 0

    def read_all(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        for line, fields in rows:
            self.n_rows += 1
            if len(fields) != self.columns.width:
                reason = f"{len(fields)} fields where the header has {self.columns.width}"
                self.log.add("CSV_FORMAT", line, None, reason)
            else:
                self._read_row(line, fields)

    def _read_row(self, line: int, fields: list[str]) -> None:
        index = self._case(line, fields[self.columns.id_index])
        values = [
            self._value(line, name, fields[at], within)
            for (name, at), within in zip(self.columns.values, self.ranges, strict=True)
        ]
        if None in values:
            return
        numbers = tuple(value for value in values if value is not None)
        problem = self.kind.row_problem(numbers)
        if problem:
            self.log.add("CSV_VALUE", line, None, problem)
        elif index is not None:
            self.rows[index] = (*self.rows.get(index, ()), numbers)

    def _case(self, line: int, public_id: str) -> int | None:
        """Return which case a row is for, or None after logging why there is none."""
        index = self.position.get(public_id)
        if index is None:
            self.unknown[public_id[:MAX_ID_LENGTH]] += 1
            self.log.add("CSV_IDS", line, self.columns.id_name, f"{shown(public_id)} is no id of this phase", "unknown")
            return None
        earlier = self.first_line.setdefault(public_id, line)
        most = self.kind.rows_a_case[1]
        if most == 1 and earlier != line:
            reason = f"{shown(public_id)} was already given in line {earlier}"
        elif len(self.rows.get(index, ())) >= most > 1:
            reason = f"{shown(public_id)} has more than {most} rows"
        else:
            return index
        self.log.add("CSV_IDS", line, self.columns.id_name, reason, "duplicate")
        return None

    def _value(self, line: int, column: str, text: str, within: tuple[float, float]) -> float | None:
        value = float(text) if len(text) <= 400 and NUMBER.fullmatch(text) else math.nan
        if within[0] <= value <= within[1]:
            return value
        self.log.add("CSV_VALUE", line, column, _value_reason(text, within))
        return None

    def result(self) -> PredictionTable:
        missing = len(self.ids) - len(self.first_line) if self.kind.rows_a_case[0] else 0
        if self.n_rows == 0:
            raise CsvProblems("CSV_EMPTY", "The file has a header but no rows. Add one row for each case.")
        if missing or self.log.total:
            raise self.log.problems(missing, self.columns.ignored, id_hints(self.unknown, self.position))
        return PredictionTable(
            predictions=self.kind.gather(
                [self.kind.answer_of(self.rows.get(index, ())) for index in range(len(self.ids))]
            ),
            rows=self.n_rows,
            id_column=self.columns.id_name,
            value_columns=tuple(name for name, _ in self.columns.values),
            ignored_columns=self.columns.ignored,
        )


def _value_reason(text: str, within: tuple[float, float]) -> str:
    stripped = text.strip()
    if not stripped:
        return "the value is empty"
    if stripped != text and NUMBER.fullmatch(stripped):
        return f"{shown(text)} has spaces around it; remove them"
    if NUMBER.fullmatch(text):
        return f"{shown(text)} is not between {within[0]:g} and {within[1]:g}"
    if NUMBER.fullmatch(stripped.replace(",", ".", 1)):
        return f"{shown(text)} has a decimal comma; write a point"
    return f"{shown(text)} is not a plain decimal number"


def id_hints(unknown: Mapping[str, int], known: Mapping[str, int]) -> list[str]:
    """Return what may have happened to the ids that are not the phase's, most telling first."""
    if not unknown:
        return []
    sample = list(unknown)[:2000]
    spaces = any(text not in known and text.strip() in known for text in sample)
    folded = {public_id.casefold() for public_id in known}
    case = any(text.strip().casefold() in folded and text.strip() not in known for text in sample)
    return [hint for is_so, hint in _hint_table(sample, known, spaces, case) if is_so]


def _hint_table(sample: Sequence[str], known: Mapping[str, int], spaces: bool, case: bool) -> list[tuple[bool, str]]:
    bare = {public_id.lstrip("0") for public_id in known if public_id.startswith("0")}
    lost_zeros = any(text.strip() in bare for text in sample)
    scientific = any(re.fullmatch(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+", text.strip()) for text in sample)
    decimal = any(text.strip().endswith(".0") and text.strip()[:-2] in known for text in sample)
    return [
        (spaces, "Some ids have spaces around them: remove the spaces."),
        (case, "Some ids differ only in upper and lower case: write them exactly as in the template."),
        (lost_zeros, "Some ids have lost their leading zeros, as happens in Excel: make the id column text."),
        (scientific, "Some ids look like 1.2E+05, as Excel writes long numbers: make the id column text."),
        (decimal, "Some ids end in .0, as pandas writes numbers: read the id column with dtype=str."),
    ]
