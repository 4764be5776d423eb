"""Planes of a CT as a radiologist looks at them, whatever way the scan is stored.

The patient's right is at the left of an axial or coronal picture, the front at the top of an axial one and at the left
of a sagittal one, the head at the top of a coronal or sagittal one. An oblique scan is shown along its own axes, each
under the name of the patient axis it is closest to.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from .volume import Grid

# Plane → the patient axis it is a cut across: 0 is x (left), 1 is y (back), 2 is z (head).
ACROSS = {"axial": 2, "coronal": 1, "sagittal": 0}
# The patient axes down and along a picture of the plane; z runs up.
DOWN_ALONG = {"axial": (1, 0), "coronal": (2, 0), "sagittal": (2, 1)}
# (level, width) in HU.
WINDOWS = {"lung": (-600.0, 1500.0), "mediastinum": (40.0, 400.0), "bone": (400.0, 1800.0)}
FAST = 1  # zlib's level: a picture is sent once, and its reader waits


@dataclass(frozen=True)
class Place:
    """Where a point lies in a picture: mm down and along from its upper left corner."""

    down_mm: float
    along_mm: float


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes of one voxel grid. axes: the image axis closest to each patient axis x, y, z; signs: its direction."""

    grid: Grid
    axes: tuple[int, int, int]
    signs: tuple[int, int, int]

    @classmethod
    def of(cls, grid: Grid) -> Planes:
        """Return the planes of a grid: the pairing of its axes with the patient's that is closest in all."""
        rows = np.arange(3)
        axes = max(permutations(range(3)), key=lambda order: float(np.abs(grid.direction[rows, list(order)]).sum()))
        x, y, z = (1 if grid.direction[row, axis] >= 0 else -1 for row, axis in enumerate(axes))
        return cls(grid, (axes[0], axes[1], axes[2]), (x, y, z))

    def count(self, plane: str) -> int:
        """Return how many pictures there are of a plane."""
        return self._size(ACROSS[plane])

    def size_mm(self, plane: str) -> tuple[float, float]:
        """Return height and width of a picture in mm."""
        down, along = DOWN_ALONG[plane]
        return self._size(down) * self._spacing(down), self._size(along) * self._spacing(along)

    def cut(self, voxels: NDArray[np.generic], plane: str, index: int) -> NDArray[np.generic]:
        """Return picture `index` of a plane as a view (rows, columns) of `voxels` (z, y, x) as stored.

        Index 0 is at the patient's feet (axial), front (coronal) or right (sagittal). Raises IndexError.
        """
        if index < 0:  # NumPy counts it from the end; one past the end it refuses itself
            raise IndexError(index)
        x, y, z = (2 - axis for axis in self.axes)
        standing = voxels.transpose(z, y, x)[tuple(slice(None, None, sign) for sign in reversed(self.signs))]
        if plane == "axial":
            return standing[index]
        return standing[::-1, index] if plane == "coronal" else standing[::-1, :, index]

    def index_at(self, plane: str, point_xyz_mm: ArrayLike) -> int:
        """Return the picture through a world point (3,), mm, LPS; of a point outside the nearest one."""
        index = round(self._index(ACROSS[plane], point_xyz_mm))
        return min(max(index, 0), self.count(plane) - 1)

    def place_of(self, plane: str, point_xyz_mm: ArrayLike) -> Place:
        """Return where a world point (3,), mm, LPS, lies in the pictures of a plane."""
        down, along = DOWN_ALONG[plane]
        row, column = self._index(down, point_xyz_mm), self._index(along, point_xyz_mm)
        if plane != "axial":
            row = self._size(down) - 1 - row
        return Place((row + 0.5) * self._spacing(down), (column + 0.5) * self._spacing(along))

    def _index(self, patient_axis: int, point_xyz_mm: ArrayLike) -> float:
        """Return the (fractional) index of a point along a patient axis, counted in the patient's direction."""
        stored = self.grid.voxels_per_mm_xyz @ (np.asarray(point_xyz_mm, dtype=float) - self.grid.origin_xyz_mm)
        index = float(stored[self.axes[patient_axis]])
        return index if self.signs[patient_axis] > 0 else self._size(patient_axis) - 1 - index

    def _size(self, patient_axis: int) -> int:
        return self.grid.shape_zyx[2 - self.axes[patient_axis]]

    def _spacing(self, patient_axis: int) -> float:
        return float(self.grid.spacing_xyz_mm[self.axes[patient_axis]])


def grey(picture: NDArray[np.generic], level: float, width: float) -> NDArray[np.uint8]:
    """Return a picture of HU as 8-bit grey: DICOM's window function LINEAR_EXACT (PS3.3, C.11.2.1.3.2)."""
    scaled = (picture.astype(np.float32) - np.float32(level)) * np.float32(255 / width) + np.float32(127.5)
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def as_png(levels: NDArray[np.uint8]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(levels)).save(target, "PNG", compress_level=FAST)
    return target.getvalue()
