"""Read the points of a scan: refuse what is not in Hounsfield units, move to a lesion's middle if asked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inference.ct.geometry import contains
from inference.ct.hounsfield import foreign_scale
from inference.ct.lesion_fields import Fields, fields_around
from inference.ct.lesion_shape import measure
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.volume import Scan
from inference.networks.answer_warnings import REFUSALS
from inference.networks.answers import LesionReading

if TYPE_CHECKING:
    from inference.networks.model.predictor import LesionPredictor

PointXYZ = Sequence[float]


def readings_at(
    points_xyz_mm: Sequence[PointXYZ], scan: Scan, model: LesionPredictor, *, recenter: bool, allow_non_hu: bool
) -> tuple[list[LesionReading], list[Fields]]:
    """Return the reading of each point, and the fields that were read around it.

    points_xyz_mm: at least one, all inside the scan. recenter: judge the lesion's middle instead of the point.
    Raises InvalidImageFile NOT_HU for voxels that are not Hounsfield units, unless `allow_non_hu`.
    """
    fields = fields_around(points_xyz_mm, scan)
    scale = foreign_scale(fields, points_xyz_mm, scan)
    if scale is not None and not allow_non_hu:
        note = f"{REFUSALS['NOT_HU']}: {scale} If they are right as they are, send allowNonHu=true."
        raise InvalidImageFile("NOT_HU", note)
    places = list(points_xyz_mm)
    if recenter:
        places = [_middle(point, field, scan) for point, field in zip(points_xyz_mm, fields, strict=True)]
        fields = fields_around(places, scan)
    readings = model.readings(places, scan, fields)
    moved = [_moved(reading, point) for reading, point in zip(readings, points_xyz_mm, strict=True)]
    return [replace(item, warnings=["NOT_HU", *item.warnings]) if scale else item for item in moved], fields


def _middle(point_xyz_mm: PointXYZ, fields: Fields, scan: Scan) -> PointXYZ:
    """Return the middle of what lies at the point, or the point where that would leave the scan."""
    place = np.asarray(point_xyz_mm, dtype=float) + measure(fields).shift_zyx_mm[::-1]
    return place.tolist() if contains(scan.grid, place) else point_xyz_mm


def _moved(reading: LesionReading, point_xyz_mm: PointXYZ) -> LesionReading:
    away = np.subtract(reading.point_xyz_mm, point_xyz_mm)
    return replace(reading, moved_mm=float(np.linalg.norm(away)))
