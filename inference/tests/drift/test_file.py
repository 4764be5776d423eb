"""The drift CSV survives several writers, torn rows and strangers' edits."""

import fcntl
import multiprocessing
from threading import Thread

import pytest

from inference.drift import file as drift_file
from inference.slice_classes import SLICE_CLASSES

ROW = ["2026-01-01T00:00:00+00:00", 1.5, 2, 0, 255, 0, 1, 254, 48, 64, 3, "normal", 0.5, "LOW_RANGE UNFAMILIAR_SOURCE"]


def write_many(path, name: str, rows: int) -> None:
    for number in range(rows):
        drift_file.append(path, [*ROW[:11], name, number / rows, ""])


@pytest.mark.slow
def test_many_processes_write_one_header_and_whole_rows(tmp_path):
    path = tmp_path / "new" / "current.csv"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, f"w{number}", 100)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = path.read_text().splitlines()
    assert lines[0] == ",".join(drift_file.COLUMNS)
    assert len(lines) == 601
    assert len({line.count(",") for line in lines}) == 1
    table = drift_file.read(path)
    assert {name: table["pred_class"].count(name) for name in set(table["pred_class"])} == {
        f"w{number}": 100 for number in range(6)
    }


def test_a_torn_row_is_ended_and_left_out(tmp_path):
    path = tmp_path / "current.csv"
    drift_file.append(path, ROW)
    with path.open("ab") as file:
        file.write(b"2026-01-01T00:00:00+00:00,1.5,2")
    drift_file.append(path, ROW)
    assert len(drift_file.read(path)["mean"]) == 2


@pytest.mark.parametrize("line", ["", "a,b", "x," * 12, "t," + "nan," * 11 + "1", "t," + "1e999," * 11 + "1", "\0" * 9])
def test_damaged_rows_are_left_out(tmp_path, line):
    path = tmp_path / "current.csv"
    drift_file.append(path, ROW)
    with path.open("a") as file:
        file.write(line + "\n")
    assert drift_file.read(path)["mean"] == [1.5]


@pytest.mark.parametrize("text", ["", "\n", "a,b,c\n1,2,3\n", "\ufeff"])
def test_another_kind_of_file_has_no_rows(tmp_path, text):
    (tmp_path / "other.csv").write_text(text)
    assert drift_file.read(tmp_path / "other.csv")["mean"] == []


def test_columns_may_come_in_another_order(tmp_path):
    path = tmp_path / "current.csv"
    names = list(drift_file.COLUMNS)
    path.write_bytes(drift_file.line_of(names[::-1]) + drift_file.line_of(ROW[::-1]))
    assert drift_file.read(path)["width"] == [64.0]


def test_only_the_last_rows_are_read_when_asked(tmp_path):
    path = tmp_path / "current.csv"
    for number in range(5):
        drift_file.append(path, [ROW[0], number, *ROW[2:]])
    assert drift_file.read(path, last=2)["mean"] == [3.0, 4.0]


def test_the_reference_that_comes_with_the_model_is_read(settings):
    table = drift_file.read(settings.DRIFT_REFERENCE_PATH)
    assert len(table["mean"]) > 100
    assert set(table["pred_class"]) == set(SLICE_CLASSES)


def test_a_row_exactly_as_old_as_rows_may_be_stays(tmp_path):
    path = tmp_path / "current.csv"
    times = [f"2026-01-0{day}T00:00:00.000+00:00" for day in (1, 2, 3)]
    for time in times:
        drift_file.append(path, [time, *ROW[1:]])
    assert drift_file.rows_before(path, times[1]) == drift_file.drop_before(path, times[1]) == 1
    assert drift_file.read(path)["timestamp"] == times[1:]


def test_old_rows_are_dropped_while_nobody_appends(tmp_path):
    """A row that came between the reading and the writing would be lost."""
    path = tmp_path / "current.csv"
    drift_file.append(path, ROW)
    dropping = Thread(target=drift_file.drop_before, args=(path, "2027"))
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        dropping.start()
        dropping.join(0.3)
        assert drift_file.read(path)["mean"] == [1.5]
    dropping.join(10)
    assert drift_file.read(path)["mean"] == []
