"""Read a CSV of predictions from an untrusted file.

Framework-free. `read_predictions` returns the predictions in the order of the phase's cases, or raises CsvProblems.
The error lists every problem that a participant can fix, but never a truth value or an id that is not in the file.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from submissions.intake.csv.header import Columns, read_header
from submissions.intake.csv.id_hints import id_hints
from submissions.intake.csv.problems import CsvProblem, CsvProblems, Missing, ProblemLog, shown
from submissions.intake.csv.text import as_text, read_bytes
from submissions.kinds import Kind
from submissions.kinds.base import clipped

MAX_ID_LENGTH = 512
MAX_ROWS = 250_000
OTHER_SEPARATORS = re.compile(r'"[;\t| ]+"')
SEPARATORS = re.compile(r"[;\t| ]")
ROW_NAMES = (
    "Every line has one field more than the header, as R's write.table writes row names: "
    "use write.csv(..., row.names = FALSE)."
)
NO_NAME = "Every line has one field more than the header: give its column a name in the first line, or leave it out."
COMMAS = "The numbers have decimal commas: write points."
# In one way only: where digits could be split in two, a cell of 100,000 of them is tried for minutes.
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
# The two fields that a number with a decimal comma becomes.
WHOLE, AFTER_COMMA = re.compile(r"[+-]?[0-9]+"), re.compile(r"[0-9]+(?:[eE][+-]?[0-9]{1,4})?")

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
    """The content of a valid file.

    predictions: as gathered by the kind, in the order of the phase's counted ids. samples: the answers to those sample
    cases that the file holds, by id.
    """

    predictions: Any
    samples: dict[str, Any]
    rows: int
    id_column: str
    value_columns: tuple[str, ...]
    ignored_columns: tuple[str, ...] = field(default=())

    @property
    def report(self) -> dict[str, object]:
        """Return how the file was understood, for pages and the API."""
        return {
            "rows": self.rows,
            "sample_cases": len(self.samples),
            "id_column": self.id_column,
            "value_columns": list(self.value_columns),
            "ignored_columns": list(self.ignored_columns),
        }


def max_rows(n_ids: int, kind: Kind) -> int:
    """Return how many rows are read before a file counts as too long: enough to name duplicate ids."""
    most = kind.rows_a_case[1]
    return 2 * n_ids + 1000 if most == 1 else min(most * n_ids + 1000, MAX_ROWS)


def read_predictions(
    data: bytes | BinaryIO, kind: Kind, ids: Sequence[str], *, sample_ids: Sequence[str] = (), max_bytes: int
) -> PredictionTable:
    """Return the predictions of a CSV, aligned with `ids`.

    data: the file, as bytes or open for reading in binary. ids: the public ids of the phase's counted cases.
    sample_ids: those of its sample cases, which the file may leave out.
    Raises CsvProblems.
    """
    text = as_text(read_bytes(data, max_bytes), max_rows=max_rows(len(ids) + len(sample_ids), kind))
    rows = _records(text)
    columns = read_header(_header(rows, text), kind, _first_lines(text)[1])
    reading = _Reading(columns, kind, ids, sample_ids)
    reading.read_all(rows)
    return reading.result()


def _first_lines(text: str) -> tuple[str, str]:
    """Return the first two non-blank lines, trimmed but not parsed."""
    lines = (line.strip() for line in io.StringIO(text, newline=None))
    first, second = [*itertools.islice((line for line in lines if line), 2), "", ""][:2]
    return first, second


def _header(rows: Iterator[tuple[int, list[str]]], text: str) -> list[str]:
    """Return the column names of the first line; one name if quoted names are separated by anything but commas."""
    try:
        return next(rows, (1, []))[1]
    except CsvProblems:
        line = _first_lines(text)[0]
        if line.startswith(("{", "[")):  # JSON: an object a line, or all of them in one
            return [line]
        if OTHER_SEPARATORS.search(line):
            return [line.replace('"', "")]
        raise


def template(kind: Kind, ids: Sequence[str]) -> str:
    """Return a CSV to fill in: the header and every id, with a neutral value."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(kind.template_header())
    writer.writerows([public_id, *kind.template_values()] for public_id in ids)
    return out.getvalue()


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line number, fields) of each record that is not blank; ",," counts as blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _unreadable(line, str(error)) from error
        if any(text.strip() for text in fields):
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
    """One pass over the rows: collects the values, and logs problems."""

    def __init__(self, columns: Columns, kind: Kind, ids: Sequence[str], sample_ids: Sequence[str] = ()) -> None:
        self.columns, self.kind, self.ids, self.sample_ids = columns, kind, ids, sample_ids
        self.position = {public_id: index for index, public_id in enumerate([*ids, *sample_ids])}
        self.ranges = [kind.value_range(name.lower()) for name, _ in columns.values]
        # Tuples of numbers, because there may be many and the garbage collector does not track them.
        self.rows: dict[int, tuple[tuple[float, ...], ...]] = {}
        self.first_line: dict[str, int] = {}
        self.log = ProblemLog()
        self.unknown: Counter[str] = Counter()
        self.n_rows = 0
        self.unreadable, self.unread_ids = 0, set[str]()
        self.one_more = self.row_names = self.commas = 0

    def read_all(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        for line, fields in rows:
            self.n_rows += 1
            if self._fits(fields):
                self._read_row(line, fields)
            else:
                reason = f"{len(fields)} fields where the header has {self.columns.width}"
                self.log.add("CSV_FORMAT", line, None, reason)
                self._note_unreadable(fields)

    def _fits(self, fields: list[str]) -> bool:
        """Return whether a row has all used fields, and nothing in surplus fields.

        Spreadsheets drop commas after the last filled cell of a row, and add some after the widest row.
        """
        used = max(self.columns.id_index, *(at for _, at in self.columns.values))
        return used < len(fields) and not any(text.strip() for text in fields[self.columns.width :])

    def _note_unreadable(self, fields: list[str]) -> None:
        """Record that an unreadable line holds an id, so that the id is not reported as missing."""
        words = [text.strip() for text in fields]
        at = self.columns.id_index
        has_id = words[at : at + 1] != [] and words[at] in self.position
        if len(words) == self.columns.width + 1:
            self.one_more += 1
            self.row_names += not has_id
        self.commas += self._has_decimal_commas(words)
        parts = (part for text in words for part in (text, *SEPARATORS.split(text)))
        found = next((part for part in parts if part in self.position), None)
        if found is None:
            self.unreadable += 1
        else:
            self.unread_ids.add(found)

    def _has_decimal_commas(self, words: list[str]) -> bool:
        """Return whether a line fits the header, with an id in its place, once 0,5 is one field instead of two."""
        surplus, at, public_id = len(words) - self.columns.width, 0, ""
        if surplus <= 0:
            return False
        for column in range(self.columns.width):
            if column == self.columns.id_index:
                public_id = words[at]
            elif surplus and WHOLE.fullmatch(words[at]) and AFTER_COMMA.fullmatch(words[at + 1]):
                surplus, at = surplus - 1, at + 1
            at += 1
        return surplus == 0 and public_id in self.position

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
        """Return the case of a row, or None after logging why there is none."""
        index = self.position.get(public_id)
        if index is None:
            self.unknown[public_id[:MAX_ID_LENGTH]] += 1
            self.log.add(
                "CSV_IDS", line, self.columns.id_name, f"{shown(public_id)} is not an id of this phase", "unknown"
            )
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
        text = text.strip()
        number = float(text) if len(text) <= 400 and NUMBER.fullmatch(text) else math.nan
        value = clipped(number, *within)
        if value is None:
            self.log.add("CSV_VALUE", line, column, _value_reason(text, within))
        return value

    def _missing(self) -> Missing:
        """Return the ids that no line holds, by length and name, because their own order may tell the labels.

        An unreadable line may hold any id.
        """
        if self.kind.rows_a_case[0] == 0:
            return Missing()
        seen = self.first_line.keys() | self.unread_ids
        missing = [public_id for public_id in self.ids if public_id not in seen]
        ids = tuple(sorted(missing, key=lambda public_id: (len(public_id), public_id)))
        return Missing(max(0, len(ids) - self.unreadable), () if self.unreadable else ids)

    def _of_every_line(self) -> str:
        """Return what is wrong with all lines alike, "" where nothing is."""
        if 0 < self.commas == self.log.by_sort["format"]:  # a whole number has no comma
            return COMMAS
        if self.one_more == self.n_rows:
            return ROW_NAMES if self.row_names == self.n_rows else NO_NAME
        return ""

    def _samples(self) -> dict[str, Any]:
        """Return the answers to the sample cases that have rows; where a case may have none, to all or to none."""
        places = {public_id: self.position[public_id] for public_id in self.sample_ids}
        if self.kind.rows_a_case[0] > 0 or not any(place in self.rows for place in places.values()):
            places = {public_id: place for public_id, place in places.items() if place in self.rows}
        return {public_id: self.kind.answer_of(self.rows.get(place, ())) for public_id, place in places.items()}

    def result(self) -> PredictionTable:
        missing = self._missing()
        if self.n_rows == 0:
            raise CsvProblems("CSV_EMPTY", "The file has a header but no rows. Add one row for each case.")
        if missing.count or self.log.total:
            hints, of_every_line = id_hints(self.unknown, self.position), self._of_every_line()
            hints = [of_every_line, *hints] if of_every_line else hints
            problems = self.log.problems(missing, self.columns.ignored, hints, list(self.unknown))
            if of_every_line:
                problems.note = f"{of_every_line} No try was spent."
            raise problems
        return PredictionTable(
            predictions=self.kind.gather(
                [self.kind.answer_of(self.rows.get(index, ())) for index in range(len(self.ids))]
            ),
            samples=self._samples(),
            rows=self.n_rows,
            id_column=self.columns.id_name,
            value_columns=tuple(name for name, _ in self.columns.values),
            ignored_columns=self.columns.ignored,
        )


def _value_reason(text: str, within: tuple[float, float]) -> str:
    low, high = (f"{bound:g}" for bound in within)
    if not text:
        return f"the value is empty; write a number between {low} and {high}"
    if NUMBER.fullmatch(text):
        return f"{shown(text)} is not between {low} and {high}"
    if NUMBER.fullmatch(text.replace(",", ".", 1)):
        return f"{shown(text)} has a decimal comma; write a point"
    if text.endswith("%") and NUMBER.fullmatch(text[:-1].strip()):
        return f"{shown(text)} is a percentage; write it as a number between {low} and {high}"
    if text.strip("#").casefold() in NO_VALUES:
        return f"{shown(text)} is no number: the model gave none; write one between {low} and {high} for each case"
    if inner := WRAPPED.fullmatch(text):
        return f"{shown(text)} is not a number alone; write {shown(inner[1])}"
    return f"{shown(text)} is not a plain decimal number"


# How programs write a value that is not there; a number in brackets or quotes, or as PyTorch and NumPy print one.
NO_VALUES = {
    "nan", "-nan", "na", "<na>", "n/a", "none", "null", "inf", "-inf", "infinity", "-infinity", "nat", "value!",
    "div/0!", "tensor(nan)", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "1.#inf", "-1.#inf",
}  # fmt: skip
WRAPPED = re.compile(
    rf"(?:(?:tensor|array|np\.float(?:32|64))\()?[\[\](){{}}'\"=]*({NUMBER.pattern})(?:, device='cuda:[0-9]')?"
    r"[^0-9]*[^0-9,;]?"
)
