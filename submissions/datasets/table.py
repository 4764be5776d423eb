"""The truth table of a new dataset: a CSV read into rows, every fault with its row and reason."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from submissions.kinds import Kind

COORDINATES = ("coordx", "coordy", "coordz")
CLINICAL = {"studydate": "StudyDate", "age_at_studydate": "Age_at_StudyDate", "gender": "Gender"}
SHOWN = 10


class DatasetError(Exception):
    """The table cannot become a dataset. `problems`: one sentence each, with the row."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f"\n… and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        super().__init__("\n".join(problems[:SHOWN]) + more)


@dataclass(frozen=True)
class TruthRow:
    """One case as the table gives it. line: 1 is the header. point_xyz_mm: patient space, mm, LPS."""

    line: int
    public_id: str
    truth: int
    series_uid: str
    lesion_id: str
    image: str
    patient: str
    point_xyz_mm: tuple[float, float, float] | None
    split: str
    metadata: dict[str, str] = field(default_factory=dict)


def read_table(path: Path, kind: Kind, split_column: str | None = None) -> list[TruthRow]:
    """Return the rows of a truth table in its order.

    A case's id is `AnnotationID`, else `id`, else `<SeriesInstanceUID>_<LesionID>`, else `file`; its image is the
    `file` column, else `<SeriesInstanceUID>.mha`. Raises DatasetError with row and reason for each fault.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = list(_records(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError([f"{path.name} cannot be read as UTF-8 CSV: {error}"]) from error
    header = records[0][1] if records else []
    _check_header(header, split_column)
    return _rows(header, records[1:], kind, split_column)


def _records(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line it starts in, trimmed fields) of each record that is not blank."""
    reader = csv.reader(file, strict=True)
    line = 1
    for fields in reader:
        if fields:
            yield line, [text.strip() for text in fields]
        line = reader.line_num + 1


def _check_header(header: list[str], split_column: str | None) -> None:
    folded = Counter(name.lower() for name in header)
    problems = [f"header: the column '{name}' is given twice" for name, count in folded.items() if count > 1]
    if "label" not in folded:
        problems.append("header: there is no column 'label'")
    if not {"annotationid", "id", "seriesinstanceuid", "file"} & set(folded):
        problems.append("header: there is no id column (AnnotationID, id, SeriesInstanceUID and LesionID, or file)")
    if split_column and split_column.lower() not in folded:
        problems.append(f"header: there is no column '{split_column}' to split by")
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
                raise ValueError(f"{len(fields)} fields where the header has {len(names)}")
            rows.append(_row(line, dict(zip(names, fields, strict=True)), kind, split_column))
        except ValueError as error:
            problems.append(f"row {line}: {error}")
    problems += _set_problems(rows, kind) if not problems else []
    if problems:
        raise DatasetError(problems)
    return rows


def _row(line: int, record: Mapping[str, str], kind: Kind, split_column: str | None) -> TruthRow:
    series = record.get("seriesinstanceuid", "")
    lesion = record.get("lesionid", "")
    of_series = f"{series}_{lesion}" if series else record.get("file", "")
    public_id = record.get("annotationid") or record.get("id") or of_series
    if not public_id:
        raise ValueError("the id is empty")
    if len(public_id) > 200 or not public_id.isprintable():
        raise ValueError("the id is longer than 200 characters or not printable")
    return TruthRow(
        line=line,
        public_id=public_id,
        truth=kind.read_truth(record["label"]),
        series_uid=series,
        lesion_id=lesion,
        image=record.get("file") or (f"{series}.mha" if series else ""),
        patient=record.get("patientid") or record.get("near_dup_group", ""),
        point_xyz_mm=_point(record) if kind.has_points else None,
        split=_split(record, split_column),
        metadata={name: record[key] for key, name in CLINICAL.items() if record.get(key)},
    )


def _point(record: Mapping[str, str]) -> tuple[float, float, float]:
    values = []
    for name in COORDINATES:
        try:
            values.append(float(record.get(name, "")))
        except ValueError:
            raise ValueError(f"{name} is no number: {record.get(name, '')!r}") from None
        if not math.isfinite(values[-1]):
            raise ValueError(f"{name} is not finite")
    return values[0], values[1], values[2]


SPLITS = {"public": "public", "0": "public", "private": "private", "1": "private", "sample": "sample",
          "train": "public", "valid": "public", "test": "private"}  # fmt: skip


def _split(record: Mapping[str, str], column: str | None) -> str:
    if column is None:
        return "public"
    value = record[column.lower()].lower()
    if value not in SPLITS:
        raise ValueError(f"the split {value!r} is none of public, private, sample")
    return SPLITS[value]


def _set_problems(rows: list[TruthRow], kind: Kind) -> list[str]:
    """Return what is wrong with the rows together: doubled ids, one class only, none at all."""
    if not rows:
        return ["the table has no rows"]
    first: dict[str, int] = {}
    return [
        f"row {row.line}: the id {row.public_id!r} was already given in row {first[row.public_id]}"
        for row in rows
        if first.setdefault(row.public_id, row.line) != row.line
    ]


def class_problems(rows: list[TruthRow], splits: list[str]) -> list[str]:
    """Return the scored splits that hold one class only: no metric can rank on them."""
    classes: dict[str, set[int]] = {}
    for row, split in zip(rows, splits, strict=True):
        classes.setdefault(split, set()).add(row.truth)
    return [
        f"the {split} split holds one class only (label {min(found)}); it cannot be scored"
        for split, found in sorted(classes.items())
        if split != "sample" and len(found) < 2
    ]
