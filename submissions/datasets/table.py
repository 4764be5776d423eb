"""Read the ground-truth table of a new dataset: a CSV of cases. Every fault is reported with its row and reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submissions.intake.csv.header import other_text, separator_hints
from submissions.intake.csv.problems import CsvProblems
from submissions.intake.csv.text import as_text
from submissions.kinds import CaseContent, Kind
from submissions.kinds.base import Record

SHOWN = 10
MAX_ROWS = 2_000_000
SPLITS = {"public": "public", "0": "public", "private": "private", "1": "private", "sample": "sample",
          "train": "public", "valid": "public", "test": "private"}  # fmt: skip
# How R, pandas and Excel write that there is no value: as a patient, all cases without one would share it.
NO_VALUES = {"NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"}


class DatasetError(Exception):
    """The table cannot become a dataset. `problems`: one sentence each, with the row."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f"\n… and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        super().__init__("\n".join(problems[:SHOWN]) + more)


@dataclass(frozen=True)
class TruthRow:
    """One case as given in the table. line: its first row; 1 is the header. content: the data its kind defines."""

    line: int
    public_id: str
    content: CaseContent
    image: str
    patient: str
    split: str

    @property
    def truth(self) -> Any:
        return self.content.truth


def read_table(path: Path, kind: Kind, split_column: str | None = None) -> list[TruthRow]:
    """Return the cases of a ground-truth table in the order of their first rows.

    The kind defines what identifies a case, what its rows hold and whether a case may have several rows. The image is
    the `file` column, else `<series>.mha`. Raises DatasetError with row and reason for each fault.
    """
    text = _text_of(path)
    try:
        records = list(_records(io.StringIO(text, newline="")))
    except csv.Error as error:
        hint = other_text(text.splitlines()[:1])
        raise DatasetError([f"header: {hint}" if hint else f"{path.name} cannot be read as CSV: {error}"]) from error
    header = records[0][1] if records else []
    _check_header(header, kind, split_column, hints=_hints(text, header))
    return _cases(_rows(header, records[1:], kind, split_column), kind)


def _text_of(path: Path) -> str:
    """Return the text of a table. Workbooks and other encodings are told apart as in participants' predictions."""
    try:
        content = path.read_bytes()
        return as_text(content, max_rows=MAX_ROWS) if content.strip(b"\xef\xbb\xbf \t\r\n") else ""
    except OSError as error:
        raise DatasetError([f"{path.name} cannot be read: {error.strerror}"]) from error
    except CsvProblems as error:
        raise DatasetError([f"{path.name}: {error.note}"]) from error


def _hints(text: str, header: list[str]) -> list[str]:
    """Return what to change in a table whose columns are not separated by commas, as a German Excel writes it."""
    lines = text.splitlines()[1:2]
    return separator_hints(header, lines[0] if lines else "")


def _records(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, trimmed fields) of each record that is not blank; ",," counts as blank."""
    reader = csv.reader(file, strict=True)
    line = 1
    for fields in reader:
        trimmed = [text.strip() for text in fields]
        if any(trimmed):
            yield line, trimmed
        line = reader.line_num + 1


def _check_header(header: list[str], kind: Kind, split_column: str | None, hints: list[str]) -> None:
    folded = Counter(name.lower() for name in header)
    problems = [f"header: the column '{name}' is given twice" for name, count in folded.items() if name and count > 1]
    problems += [f"header: there is no column '{name}'" for name in kind.table_columns if name not in folded]
    if not set(kind.table_id_columns) & set(folded):
        problems.append(f"header: there is no id column ({kind.table_id_sentence})")
    if split_column and split_column.lower() not in folded:
        problems.append(f"header: there is no column '{split_column}' to split by")
    if problems and hints:  # the cause of all of them
        raise DatasetError([f"header: {hint}" for hint in hints])
    if problems:
        raise DatasetError(problems)


def _rows(
    header: list[str], records: list[tuple[int, list[str]]], kind: Kind, split_column: str | None
) -> list[TruthRow]:
    rows, problems = [], []
    names = [name.lower() for name in header]
    for line, fields in records:
        try:
            if len(fields) != len(names):  # an unquoted comma would shift the label
                cure = "put texts with commas in quotes, and write decimals with a point"
                raise ValueError(f"{len(fields)} fields where the header has {len(names)}: {cure}")
            rows.append(_row(line, dict(zip(names, fields, strict=True)), kind, split_column))
        except ValueError as error:
            problems.append(f"row {line}: {error}")
    if problems:
        raise DatasetError(problems)
    return rows


def _row(line: int, record: Record, kind: Kind, split_column: str | None) -> TruthRow:
    public_id = kind.case_id(record)
    if not public_id:
        raise ValueError(f"the id is empty: give {kind.table_id_sentence}")
    if len(public_id) > 200 or not public_id.isprintable():
        raise ValueError("the id is longer than 200 characters or not printable")
    return TruthRow(
        line=line,
        public_id=public_id,
        content=kind.read_row(record),
        image=kind.image_name(record),
        patient=_group(record, "patientid") or _group(record, "near_dup_group"),
        split=_split(record, split_column),
    )


def _group(record: Record, column: str) -> str:
    text = record.get(column, "")
    return "" if text in NO_VALUES else text


def _split(record: Record, column: str | None) -> str:
    if column is None:
        return "public"
    value = record[column.lower()].lower()
    if value not in SPLITS:
        raise ValueError(f"the split {value!r} is none of public, private, sample")
    return SPLITS[value]


def _cases(rows: list[TruthRow], kind: Kind) -> list[TruthRow]:
    """Return one row per case. Raises DatasetError for repeated ids, contradictory rows, or an empty table."""
    by_id: dict[str, list[TruthRow]] = {}
    for row in rows:
        by_id.setdefault(row.public_id, []).append(row)
    problems = [] if rows else ["the table has no rows"]
    problems += [problem for found in by_id.values() for problem in _contradictions(found, kind)]
    if problems:
        raise DatasetError(problems)
    return [_merged(found, kind) for found in by_id.values()]


def _contradictions(rows: list[TruthRow], kind: Kind) -> Iterator[str]:
    first, *others = rows
    for row in others:
        if not kind.rows_may_repeat:
            yield f"row {row.line}: the id {row.public_id!r} was already given in row {first.line}"
        elif (row.image, row.patient, row.split) != (first.image, first.patient, first.split):
            yield f"row {row.line}: image, patient or split differ from those of {row.public_id!r} in row {first.line}"


def _merged(rows: list[TruthRow], kind: Kind) -> TruthRow:
    first = rows[0]
    try:
        content = kind.merge([row.content for row in rows])
    except ValueError as error:
        raise DatasetError([f"row {first.line}: {error}"]) from error
    return TruthRow(first.line, first.public_id, content, first.image, first.patient, first.split)


def split_problems(rows: list[TruthRow], splits: list[str], kind: Kind) -> list[str]:
    """Return the scored splits on which no metric can rank, such as those of one class only."""
    truths: dict[str, list[Any]] = {}
    for row, split in zip(rows, splits, strict=True):
        truths.setdefault(split, []).append(row.truth)
    found = [(split, kind.split_problem(each)) for split, each in sorted(truths.items()) if split != "sample"]
    return [f"the {split} split {problem}; it cannot be scored" for split, problem in found if problem]
