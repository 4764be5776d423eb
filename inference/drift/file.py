"""The drift CSV: several processes append to it, anybody may read it. Framework-free."""

import csv
import fcntl
import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

COLUMNS = (
    "timestamp", "mean", "std", "min", "max", "p01", "p50", "p99", "height", "width",
    "pred_index", "pred_class", "pred_conf", "warnings",
)  # fmt: skip
TEXT_COLUMNS = ("timestamp", "pred_class", "warnings")
# Columns that a file may lack: a reference has no times, and files of earlier versions have no warnings.
OPTIONAL_COLUMNS = ("timestamp", "warnings")


def line_of(values: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def append(path: Path, values: Sequence[object]) -> None:
    """Append one row, and the header when the file is new.

    The lock ensures that the header is written once and rows stay complete. A row cut short by a full disk is ended
    with a line break first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        _write_all(fd, _prefix(fd) + line_of(values))
    finally:
        os.close(fd)


def read(path: Path, last: int | None = None) -> dict[str, list[object]]:
    """Return the columns of the file, or of its `last` rows if given; damaged rows are skipped."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = [row for row in _rows(file) if row is not None]
    return columns_of(rows[-last:] if last else rows)


def columns_of(rows: Iterable[Sequence[object]]) -> dict[str, list[object]]:
    """Turn rows into columns."""
    table: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for row in rows:
        for name, value in zip(COLUMNS, row, strict=True):
            table[name].append(value)
    return table


def _prefix(fd: int) -> bytes:
    """Return the bytes to write before the next row: the header, the end of an incomplete row, or nothing."""
    size = os.fstat(fd).st_size
    if size == 0:
        return line_of(COLUMNS)
    return b"" if os.pread(fd, 1, size - 1) == b"\n" else b"\n"


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _rows(file: Iterable[str]) -> Iterable[list[object] | None]:
    reader = csv.reader(line.replace("\0", "") for line in file)
    header = next(reader, [])
    if not set(COLUMNS) - set(OPTIONAL_COLUMNS) <= set(header):
        return
    for row in reader:
        yield _row(dict(zip(header, row, strict=False)))


def _row(cells: dict[str, str]) -> list[object] | None:
    """Return the values in the order of COLUMNS, or None when one is missing or is not a number."""
    try:
        numbers = {name: _finite(cells[name]) for name in COLUMNS if name not in TEXT_COLUMNS}
    except (KeyError, ValueError):
        return None
    texts = {name: cells.get(name, "") for name in TEXT_COLUMNS}
    return [numbers[name] if name in numbers else texts[name] for name in COLUMNS]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def rows_before(path: Path, time: str) -> int:
    """Return how many rows at the beginning of the file are older than an ISO time, 0 without a file."""
    try:
        with path.open("rb") as file:
            return _older(file, time)[0]
    except FileNotFoundError:
        return 0


def drop_before(path: Path, time: str) -> int:
    """Remove the rows that are older than an ISO time (UTC), in place and under the lock; return how many."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return 0
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        count, at = _older(file, time)
        if count:
            file.seek(at)
            newer = file.read()
            file.seek(0)
            file.write(line_of(COLUMNS) + newer)
            file.truncate()
    return count


def _older(file: BinaryIO, time: str) -> tuple[int, int]:
    """Return the number of older rows after the header, and where the first newer one begins."""
    at, count = len(file.readline()), 0
    for line in file:
        if line.partition(b",")[0].decode("ascii", "replace") >= time:
            break
        at, count = at + len(line), count + 1
    return count, at
