"""What a network wants its crops to be: size, spacing, window, fill."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .reading.errors import InvalidImageFile
from .volume import Block

# A crop's part of the scan may have this many voxels: 64 mm at an eighth of a millimetre. Finer than any scanner,
# a header that says so only makes work.
MAX_CROP_VOXELS = 2**27
# What a CT scanner can mean. Padding far below air and metal far above bone would smear when interpolated.
PHYSICAL_HU = (-1024.0, 3071.0)


@dataclass(frozen=True)
class CropSpec:
    """How a network wants its crops; kept beside its weights, the same in training and serving.

    shape_zyx: voxels out. spacing_zyx_mm: their size. The point lies in the middle of the cube, whose axes
    are the patient's whatever the scan's are.
    window_hu: the range that becomes 0..1.
    fill_hu: what lies outside the scan; None repeats its nearest voxel.
    smooth: average over the output voxel where it is larger than the scan's, instead of picking single
    voxels.
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    window_hu: tuple[float, float] = (-1000.0, 400.0)
    fill_hu: float | None = -1000.0
    smooth: bool = True


def refuse_too_fine(blocks: Sequence[Block]) -> None:
    """Raise InvalidImageFile HEADER_GEOMETRY if so many voxels lie around the points that they are no CT's."""
    sizes = [math.prod(high[axis] - low[axis] for axis in range(3)) for low, high in blocks]
    if sum(sizes) > MAX_CROP_VOXELS:
        raise InvalidImageFile(
            "HEADER_GEOMETRY", "The voxels are smaller than any CT scanner's: is ElementSpacing in mm?"
        )


def window(hu: NDArray[np.float32], spec: CropSpec) -> NDArray[np.float32]:
    """Return the window's range of HU as 0..1, clipped."""
    low, high = spec.window_hu
    scaled = (hu - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def physical(block: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return voxels of any number type as float32 HU within what a scanner can mean."""
    return np.clip(block, *_range_in(block.dtype)).astype(np.float32)


def _range_in(dtype: np.dtype[np.generic]) -> tuple[float, float] | tuple[int, int]:
    """Return PHYSICAL_HU cut to what an integer type can hold, so that clipping stays in that type."""
    low, high = PHYSICAL_HU
    if dtype.kind == "f":
        return low, high
    limits = np.iinfo(dtype.str)
    return max(int(low), int(limits.min)), min(int(high), int(limits.max))
