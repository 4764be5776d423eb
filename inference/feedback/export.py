"""Feedback as a table and as a folder for retraining."""

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from inference.models import Feedback
from lunasite.http.files.csv_export import csv_line, csv_lines

COLUMNS = (
    "id", "at", "picture", "sha256", "predicted_class", "is_correct", "label", "confidence", "note",
    "state", "reviewed_at", "review_note", "second_state", "second_at", "second_note",
)  # fmt: skip


def row_of(feedback: Feedback) -> list[Any]:
    reviewed_at = feedback.reviewed_at.isoformat() if feedback.reviewed_at else ""
    second_at = feedback.second_at.isoformat() if feedback.second_at else ""
    values = {"at": feedback.at.isoformat(), "reviewed_at": reviewed_at, "second_at": second_at}
    return [values.get(name, getattr(feedback, name)) for name in COLUMNS]


def feedback_csv(rows: Iterable[Feedback]) -> Iterator[str]:
    """Yield the CSV of the feedback line by line."""
    return csv_lines(COLUMNS, map(row_of, rows))


def training_folder(rows: Iterable[Feedback]) -> IO[bytes]:
    """Return a zip of the accepted pictures as <class>/<picture>.png, with manifest.csv; duplicates are included once.

    Identical pictures accepted under different classes contradict each other, so all of them are left out.
    """
    target = tempfile.TemporaryFile()  # noqa: SIM115  the caller sends and closes it
    manifest = [csv_line(COLUMNS)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as folder:
        for feedback in _agreed(rows):
            folder.write(feedback.picture_path, feedback.picture)
            manifest.append(csv_line(row_of(feedback)))
        folder.writestr("manifest.csv", "".join(manifest))
    target.seek(0)
    return target


def _agreed(rows: Iterable[Feedback]) -> list[Feedback]:
    by_picture: dict[str, list[Feedback]] = {}
    for feedback in rows:
        if feedback.picture_path.is_file():
            by_picture.setdefault(feedback.sha256, []).append(feedback)
    return [same[0] for same in by_picture.values() if len({item.label for item in same}) == 1]
