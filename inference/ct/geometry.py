"""CT geometry: convert points between patient space (world, LPS) and the voxel grid."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .volume import Grid

# A direction matrix this close to a signed permutation is treated as one: 50 mm from the point the error is 0.05 mm.
AXIS_TOLERANCE = 1e-3


class PointOutsideScan(ValueError):
    """No voxel of the scan contains the point."""

    code = "POINT_OUTSIDE_SCAN"
    note = "The coordinate lies outside the volume; send world millimetres (LPS), order x, y, z."

    def __init__(self) -> None:
        super().__init__(self.note)


def world_to_index(point_xyz_mm: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    """Return the voxel index of a world point.

    point_xyz_mm: (3,) patient space, mm, LPS.
    Returns (3,) float index in array order (z, y, x); 0.0 is a voxel centre.
    Raises PointOutsideScan if no voxel contains the point.
    """
    point = np.asarray(point_xyz_mm, dtype=np.float64)
    index_zyx = (grid.voxels_per_mm_xyz @ (point - grid.origin_xyz_mm))[::-1]
    edge = np.asarray(grid.shape_zyx) - 0.5
    if not (np.all(index_zyx >= -0.5) and np.all(index_zyx < edge)):
        raise PointOutsideScan
    return index_zyx


def contains(grid: Grid, point_xyz_mm: ArrayLike) -> bool:
    """Return whether a voxel contains a world point (3,), mm, LPS."""
    try:
        world_to_index(point_xyz_mm, grid)
    except PointOutsideScan:
        return False
    return True


def index_to_world(index_zyx: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    """Return the world point (3,), x y z in mm, of a (fractional) array index (z, y, x)."""
    index_xyz = np.asarray(index_zyx, dtype=np.float64)[::-1]
    return grid.origin_xyz_mm + grid.steps_xyz_mm @ index_xyz


def axis_order(direction: NDArray[np.float64]) -> tuple[int, int, int] | None:
    """Return which image axis runs along patient x, y and z, or None for an oblique scan.

    direction: (3, 3), column i the direction of image axis i.
    """
    image_axis = np.abs(direction).argmax(axis=1)
    signed = np.zeros((3, 3))
    for patient_axis, axis in enumerate(image_axis):
        signed[patient_axis, axis] = np.sign(direction[patient_axis, axis])
    if len(set(image_axis.tolist())) < 3 or np.abs(direction - signed).max() > AXIS_TOLERANCE:
        return None
    x, y, z = image_axis.tolist()
    return x, y, z
