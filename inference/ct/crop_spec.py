"""The crop specification of a network: size, spacing, window, fill."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .reading.errors import InvalidImageFile
from .volume import Block

# The most voxels that the crops of a request may cover in the scan: a hundred points in the finest scans. No scanner is
# finer; a header with a finer spacing would only waste computing time.
MAX_CROP_VOXELS = 2**28
# The range a CT scanner can measure. Padding far below air and metal far above bone would smear when interpolated.
PHYSICAL_HU = (-1024.0, 3071.0)


@dataclass(frozen=True)
class CropSpec:
    """The crops that a network expects; stored beside its weights, the same in training and serving.

    shape_zyx: voxels of the output. spacing_zyx_mm: their size. The point lies in the middle of the cube, whose
    axes are the patient's, whatever the scan's axes are.
    window_hu: the range that is mapped to 0..1.
    fill_hu: the value outside the scan; None repeats the nearest voxel of the scan.
    smooth: average over the output voxel where it is larger than the scan's voxel, instead of picking single
    voxels.
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    window_hu: tuple[float, float] = (-1000.0, 400.0)
    fill_hu: float | None = -1000.0
    smooth: bool = True


def refuse_too_fine(blocks: Sequence[Block]) -> None:
    """Raise InvalidImageFile HEADER_GEOMETRY if the blocks around the points hold more voxels than any CT would."""
    sizes = [math.prod(high[axis] - low[axis] for axis in range(3)) for low, high in blocks]
    if sum(sizes) > MAX_CROP_VOXELS:
        raise InvalidImageFile(
            "HEADER_GEOMETRY", "The voxels are smaller than any CT scanner's: is ElementSpacing in mm?"
        )


def window(hu: NDArray[np.float32], spec: CropSpec) -> NDArray[np.float32]:
    """Map the window's range of HU to 0..1, clipped."""
    low, high = spec.window_hu
    scaled = (hu - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def physical(block: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return voxels of any number type as float32 HU, clipped to the range a scanner can measure."""
    return np.clip(block, *_range_in(block.dtype)).astype(np.float32)


def _range_in(dtype: np.dtype[np.generic]) -> tuple[float, float] | tuple[int, int]:
    """Return PHYSICAL_HU limited to the range of an integer type, so that clipping stays in that type."""
    low, high = PHYSICAL_HU
    if dtype.kind == "f":
        return low, high
    limits = np.iinfo(dtype.str)
    return max(int(low), int(limits.min)), min(int(high), int(limits.max))
