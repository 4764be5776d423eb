"""Feedback as a table and as a folder for retraining."""

import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from inference.models import Feedback
from lunasite.http.files.csv_export import csv_line, csv_lines
from lunasite.http.limits.made_files import made_file

COLUMNS = (
    "id", "at", "picture", "sha256", "predicted_class", "is_correct", "label", "confidence", "note",
    "state", "reviewed_at", "review_note", "second_state", "second_at", "second_note",
)  # fmt: skip

# More than the zip takes for a picture beside its bytes: two headers and a line of the manifest.
ROW_BYTES = 4096


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

    Identical pictures accepted under different classes contradict each other, so all of them are left out. The caller
    sends and closes the file. Raises ApiError(507).
    """
    agreed = _agreed(rows)
    size_bytes = sum(feedback.picture_path.stat().st_size + ROW_BYTES for feedback in agreed)
    return made_file(size_bytes, lambda target: _write(target, agreed))


def _write(target: IO[bytes], agreed: list[Feedback]) -> None:
    manifest = [csv_line(COLUMNS)]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as folder:
        for feedback in agreed:
            folder.write(feedback.picture_path, feedback.picture)
            manifest.append(csv_line(row_of(feedback)))
        folder.writestr("manifest.csv", "".join(manifest))


def _agreed(rows: Iterable[Feedback]) -> list[Feedback]:
    by_picture: dict[str, list[Feedback]] = {}
    for feedback in rows:
        if feedback.picture_path.is_file():
            by_picture.setdefault(feedback.sha256, []).append(feedback)
    return [same[0] for same in by_picture.values() if len({item.label for item in same}) == 1]
