"""Suspicions: probable mistakes in a dataset that can still be imported, for an organiser to check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from submissions.datasets.table import NO_VALUES, TruthRow
from submissions.kinds import Kind

SHOWN = 5
MHA = ".mha"
# 12.0 and nan are of pandas, NA of R, 1.2E+30 of a spreadsheet.
CHANGED_ID = re.compile(r"[0-9]+\.0|[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+")
# Points are written with about this many decimals; two lesions cannot be at the same place.
SAME_PLACE_DECIMALS = 3


def suspicions(rows: Sequence[TruthRow], splits: Sequence[str], kind: Kind, images: Path | None) -> list[str]:
    """Return one sentence for each type of suspicion, naming the first rows concerned.

    images: the folder of the images, or None; without it, points outside a volume cannot be found. SimpleITK reads
    their headers in this process, so `checked_volumes` must have accepted them before.
    """
    found = [_split_patients(rows, splits), _shared_places(rows, kind), _changed_ids(rows)]
    if images is not None:
        found.append(_outside(rows, kind, images))
    return [sentence for sentence in found if sentence]


def _split_patients(rows: Sequence[TruthRow], splits: Sequence[str]) -> str:
    of_patient: dict[str, set[str]] = {}
    for row, split in zip(rows, splits, strict=True):
        if row.patient:
            of_patient.setdefault(row.patient, set()).add(split)
    shared = [patient for patient, found in of_patient.items() if len(found) > 1]
    where = " and ".join(sorted(set().union(*(of_patient[patient] for patient in shared))))
    return _told(shared, f"Patients with cases in more than one split, {where}", "Split by patient")


def _shared_places(rows: Sequence[TruthRow], kind: Kind) -> str:
    first: dict[tuple[object, ...], int] = {}
    shared = []
    for row in rows:
        for point in kind.points_xyz_mm(row.content):
            place = (row.image or row.public_id, *(round(at, SAME_PLACE_DECIMALS) for at in point))
            if first.setdefault(place, row.line) != row.line:
                shared.append(f"row {row.line} (as row {first[place]})")
    return _told(shared, "Rows with a point of an image that was given before", "Look for a row copied by mistake")


def _changed_ids(rows: Sequence[TruthRow]) -> str:
    changed = [
        f"row {row.line} ({row.public_id})"
        for row in rows
        if CHANGED_ID.fullmatch(row.public_id) or row.public_id in NO_VALUES
    ]
    remedy = "Participants need the ids as they were: make the column text, in pandas with dtype=str"
    return _told(changed, "Ids that look as if a program had changed them", remedy)


def _outside(rows: Sequence[TruthRow], kind: Kind, images: Path) -> str:
    """Return sentences about points that lie outside their image; unreadable images are refused elsewhere."""
    grids: dict[str, ImageGrid | None] = {}
    outside = []
    for row in rows:
        points = kind.points_xyz_mm(row.content)
        if not points or not row.image.lower().endswith(MHA):
            continue
        if row.image not in grids:
            grids[row.image] = grid_of(images / row.image)
        grid = grids[row.image]
        if grid is not None and not all(grid.holds(point) for point in points):
            outside.append(f"row {row.line}")
    return _told(
        outside, "Rows with a point outside of its image", "Coordinates are world millimetres, LPS, in x, y, z"
    )


def grid_of(path: Path) -> ImageGrid | None:
    """Return the grid of an image, or None if its header cannot be read."""
    try:
        return ImageGrid(path)
    except (RuntimeError, ValueError, np.linalg.LinAlgError):
        return None


class ImageGrid:
    """The voxel grid of an image in patient space, read from its header alone."""

    def __init__(self, path: Path) -> None:
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("MetaImageIO")
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        direction = np.reshape(reader.GetDirection(), (3, 3))
        self._to_index = np.linalg.inv(direction * np.array(reader.GetSpacing()))
        self._origin, self._size = np.array(reader.GetOrigin()), np.array(reader.GetSize())

    def holds(self, point_xyz_mm: Sequence[float]) -> bool:
        """Return whether a voxel contains the point."""
        index = self._to_index @ (np.array(point_xyz_mm[:3]) - self._origin)
        return bool(np.all(index >= -0.5) and np.all(index < self._size - 0.5))


def _told(found: Sequence[str], what: str, remedy: str) -> str:
    if not found:
        return ""
    named = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    return f"{what} ({len(found)}): {named}. {remedy}."
