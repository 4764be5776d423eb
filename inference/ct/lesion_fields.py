"""What is read around a point of a scan to judge a lesion there: a fine near field and a coarse wide one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .crop_spec import CropSpec
from .cropping import axis_weights, crop_fields_hu
from .volume import Scan

# 38 mm at the network's own resolution: its input, moved by up to 2 mm and zoomed out by up to a half, is cut from it.
NEAR = CropSpec(shape_zyx=(11, 48, 48), spacing_zyx_mm=(2.0, 0.8, 0.8), fill_hu=None)
# 80 mm: lesions that are larger than the near field.
WIDE = CropSpec(shape_zyx=(5, 50, 50), spacing_zyx_mm=(4.0, 1.6, 1.6), fill_hu=None)
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fields:
    """The voxels around one point in HU, along patient axes. near, wide: (z, y, x) of NEAR and of WIDE."""

    near: Floats
    wide: Floats


def fields_around(points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> list[Fields]:
    """Return the fields around each world point (mm, LPS), reading the scan once.

    Raises PointOutsideScan, and InvalidImageFile when the file's voxels are invalid.
    """
    near, wide = crop_fields_hu(points_xyz_mm, scan, (NEAR, WIDE))
    return [Fields(*pair) for pair in zip(near, wide, strict=True)]


def zoomed(fields: Fields, spec: CropSpec, zoom: float, moved_zyx_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> Floats:
    """Return the cube of `spec` in HU with voxels `zoom` times as wide, around a point moved by up to 2 mm.

    zoom: at least 1, where 1 is the cube that `crop_each_hu` returns for `spec`.
    """
    reach_mm = max(spec.shape_zyx[1:]) * spec.spacing_zyx_mm[1] * zoom + 2 * max(map(abs, moved_zyx_mm))
    source, field = (
        (fields.near, NEAR) if reach_mm <= NEAR.shape_zyx[1] * NEAR.spacing_zyx_mm[1] else (fields.wide, WIDE)
    )
    z, y, x = (
        _rows(count, voxel_mm * zoom / field_mm, move_mm / field_mm, size)
        for count, voxel_mm, field_mm, move_mm, size in zip(
            spec.shape_zyx, spec.spacing_zyx_mm, field.spacing_zyx_mm, moved_zyx_mm, source.shape, strict=True
        )
    )
    return np.matmul(np.matmul(y, np.tensordot(z, source, axes=(1, 0))), x.T)


@lru_cache(maxsize=256)
def _rows(count: int, step: float, moved: float, size: int) -> Floats:
    """Return (count, size): how each output voxel along an axis mixes the voxels of the field."""
    positions = (np.arange(count, dtype=np.float64) - (count - 1) / 2) * step + moved + (size - 1) / 2
    weights = axis_weights(np.asarray(positions, dtype=np.float64), size, step, NEAR)
    matrix = np.zeros((count, size), dtype=np.float32)
    matrix[:, weights.low : weights.high] = weights.matrix
    return matrix
