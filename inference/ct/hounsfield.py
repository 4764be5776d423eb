"""Recognise voxels that are not Hounsfield units: stored with an offset, as 8-bit grey, or as 0 to 1."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .crop_spec import CropSpec
from .cropping import crop_each_hu
from .geometry import axis_order
from .lesion_fields import Fields
from .volume import Scan

# Around any point of a chest there is lung, air or at least fat, well below 0 HU.
AIR_HU = -500.0
WHOLE_CHEST_MM = 250.0
# A cut smaller than this in plane may hold nothing but tissue, so that nothing can be said of its numbers.
LEAST_MM = 20.0
LEAST_AIR = 0.01
# Numbers scaled to 0..1, -1..1 or a mean of 0 span a few units; the noise of any scanner alone spans more than 20 HU.
UNIT_RANGE, GREY_RANGE = 20.0, 255.0
# With 1000 or 1024 added lung lies above 50 and tissue above 900. In HU a place without air is soft tissue, fat and
# bone: of 480 such places in two whole scans two were mostly as dense and in part denser than this.
DENSE_HU, LEAST_DENSE, MIDDLE_HU = 700.0, 0.005, 50.0
# One axial plane at 6 mm, single voxels: enough to see whether there is air.
PLANE = CropSpec(shape_zyx=(1, 64, 64), spacing_zyx_mm=(1.0, 6.0, 6.0), fill_hu=None, smooth=False)


def foreign_scale(fields: Sequence[Fields], points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> str | None:
    """Return what the voxels look like instead of HU, and what to do, or None where they look like HU.

    fields: around `points_xyz_mm`, at least one. The whole plane is read only if no air lies in the wide fields.
    """
    low = min(float(min(field.near.min(), field.wide.min())) for field in fields)
    high = max(float(max(field.near.max(), field.wide.max())) for field in fields)
    if low < AIR_HU or min(_in_plane_mm(scan)) < LEAST_MM:
        return None
    if high - low <= UNIT_RANGE:
        return "they span less than 20 units, like numbers scaled to 0 to 1: send the scan as the scanner stored it."
    if low >= 0 and high <= GREY_RANGE:
        return "they lie between 0 and 255, like 8-bit grey: send the scan as the scanner stored it."
    if low >= 0 or _lies_high(fields) or _lacks_air(points_xyz_mm, scan):
        return "there is no air: they look stored with an offset, most often 1024. Subtract it (air is -1000)."
    return None


def _lies_high(fields: Sequence[Fields]) -> bool:
    """Return whether fields without air are denser than tissue: stored with an offset, less than that of their air."""
    near = np.concatenate([field.near.ravel() for field in fields])
    wide = np.concatenate([field.wide.ravel() for field in fields])
    dense = np.concatenate([near, wide]) > DENSE_HU
    return float(np.median(near)) > MIDDLE_HU and float(dense.mean()) >= LEAST_DENSE


def _lacks_air(points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> bool:
    """Return whether the plane of a whole chest through the first point holds no air to speak of."""
    if min(_in_plane_mm(scan)) < WHOLE_CHEST_MM:
        return False
    [plane] = crop_each_hu(points_xyz_mm[:1], scan, PLANE)
    return float((plane < AIR_HU).mean()) < LEAST_AIR


def _in_plane_mm(scan: Scan) -> NDArray[np.float64]:
    """Return how wide the scan is along patient x and y; oblique scans by their own axes."""
    order = axis_order(scan.grid.direction) or (0, 1, 2)
    sizes_xyz = np.array(scan.grid.shape_zyx[::-1]) * scan.grid.spacing_xyz_mm
    return np.asarray(sizes_xyz[list(order[:2])])


def slice_distance_mm(scan: Scan) -> float:
    """Return the distance of the slices along patient z; of an oblique scan, along its third axis."""
    order = axis_order(scan.grid.direction) or (0, 1, 2)
    return float(scan.grid.spacing_xyz_mm[order[2]])


def has_default_geometry(scan: Scan) -> bool:
    """Return whether spacing, origin and direction are those of a header written without any: 1 mm, 0, unturned.

    A scan resampled to 1 mm keeps its origin; an array saved as an image has neither.
    """
    grid = scan.grid
    is_unplaced = not grid.origin_xyz_mm.any() and bool((grid.direction == np.eye(3)).all())
    return is_unplaced and bool((grid.spacing_xyz_mm == 1).all())


def share_outside(point_xyz_mm: ArrayLike, scan: Scan, reach_mm: float) -> float:
    """Return the largest part, 0..1, of `reach_mm` around the point that is missing on any side in the axial plane."""
    grid = scan.grid
    order = axis_order(grid.direction) or (0, 1, 2)
    index_xyz = grid.voxels_per_mm_xyz @ (np.asarray(point_xyz_mm, dtype=np.float64) - grid.origin_xyz_mm)
    size_xyz = np.array(grid.shape_zyx[::-1])
    axes = list(order[:2])
    room = np.minimum(index_xyz + 0.5, size_xyz - 0.5 - index_xyz)[axes] * grid.spacing_xyz_mm[axes]
    return float(np.clip(1 - room / reach_mm, 0, 1).max())
