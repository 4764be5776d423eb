"""The numbers of a scan around a point as they are stored, before they are limited to what a scanner can measure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .geometry import axis_order, world_to_index
from .volume import Block, Scan

REACH_MM = 25.0
MOST_VOXELS_AWAY = 48
MOST_POINTS = 8
MOST_OF_PLANE = 2**16
# No tissue, and hardly any noise, is as low; what fills the corners outside a scanner's circle is, with one number.
NOTHING_BELOW_HU = -1300.0
BEYOND_HU, MOST_ODD = 3100.0, 0.1
LUNG_HU, LEAST_OF_LUNG = -500.0, 0.01
# Negated, lung and air lie from 500 to 1024 and nothing above; stored with an offset, so does fat, with muscle above.
DENSE_HU, MOST_NEGATED_HU = 700.0, 1040.0
LEAST_LUNG, MOST_ABOVE = 0.15, 0.05
# Fat and its edges. A scanner's lowest number is -1024, so that with 976 or more added nothing of it is as low as this.
FAT_HU, LEAST_FAT = (-200.0, -50.0), 0.01
# Bone gets rarer the denser it is. With an offset, or negated, a peak of tissue or of lung lies above DENSE_HU instead.
BONE_HU, LEAST_BONE, MOST_OF_BONE = 200.0, 0.03, 0.7
# Tissue lies a little below 0 where it is negated. With an offset nothing is as low, or one number that fills corners.
TISSUE_NEGATED_HU, LEAST_TISSUE = -50.0, 0.01


def numbers_around(points_xyz_mm: Sequence[ArrayLike], scan: Scan, *, with_plane: bool = False) -> NDArray[Any]:
    """Return the voxels within 25 mm of the first few points, in one row, in the scan's own number type.

    with_plane: voxels spread evenly over the axial slice of the first point follow; of an oblique scan, its own slice.
    """
    blocks = [_block_around(point, scan) for point in points_xyz_mm[:MOST_POINTS]]
    if not with_plane:
        return np.concatenate([block.ravel() for block in scan.read_blocks(blocks)])
    *near, plane = scan.read_blocks([*blocks, _plane_through(points_xyz_mm[0], scan)])
    return np.concatenate([block.ravel() for block in near] + [plane.ravel()[:: -(-plane.size // MOST_OF_PLANE)]])


def _plane_through(point_xyz_mm: ArrayLike, scan: Scan) -> Block:
    axis = 2 - (axis_order(scan.grid.direction) or (0, 1, 2))[2]
    low, high = [0, 0, 0], list(scan.grid.shape_zyx)
    low[axis] = int(np.round(world_to_index(point_xyz_mm, scan.grid)[axis]))
    high[axis] = low[axis] + 1
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _block_around(point_xyz_mm: ArrayLike, scan: Scan) -> Block:
    middle = np.round(world_to_index(point_xyz_mm, scan.grid)).astype(int)
    size = np.array(scan.grid.shape_zyx)
    away = np.minimum(REACH_MM / scan.grid.spacing_xyz_mm[::-1], MOST_VOXELS_AWAY).astype(int)
    low, high = np.clip(middle - away, 0, size - 1), np.clip(middle + away, 0, size - 1) + 1
    return tuple(low.tolist()), tuple(high.tolist())


def share_below(numbers: NDArray[Any], limit_hu: float = NOTHING_BELOW_HU) -> float:
    """Return how many numbers are lower than `limit_hu`, 0..1, without the one number that fills the corners."""
    low = numbers[numbers < limit_hu]
    filled = _most_alike(low)
    return (low.size - filled) / max(1, numbers.size - filled)


def is_swapped(numbers: NDArray[Any]) -> bool:
    """Return whether integers look like Hounsfield units once their bytes are swapped."""
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize == 1:
        return False
    swapped = numbers.byteswap()
    odd = swapped[(swapped < NOTHING_BELOW_HU) | (swapped > BEYOND_HU)]
    filled = _most_alike(odd)
    return odd.size - filled <= MOST_ODD * (swapped.size - filled)


def misread(numbers: NDArray[Any]) -> str | None:
    """Return the header's field that is wrong where numbers of 4 or 8 bytes are Hounsfield units read in another way.

    They are so with their bytes swapped, or as floating-point numbers where the header says whole ones.
    """
    size, kind = numbers.dtype.itemsize, numbers.dtype.kind
    if kind == "f" and _has_tissue_and_air(numbers.byteswap()):
        return "BinaryDataByteOrderMSB"
    if kind in "iu" and size == 4 and _has_tissue_and_air(numbers.view(np.float32)):
        return "ElementType"
    return None


def _has_tissue_and_air(numbers: NDArray[Any]) -> bool:
    """Return whether all but a few numbers are what tissue is, some as low as lung: bytes read wrongly are not."""
    with np.errstate(invalid="ignore"):
        odd = ~((numbers >= NOTHING_BELOW_HU) & (numbers <= BEYOND_HU))
        lung = (numbers >= NOTHING_BELOW_HU) & (numbers < LUNG_HU)
    return float(odd.mean()) <= MOST_ODD and float(lung.mean()) >= LEAST_OF_LUNG


def has_lung_turned(numbers: NDArray[Any]) -> bool:
    """Return whether many numbers lie where lung and air do once their sign is turned, and next to none above."""
    above = numbers[numbers > MOST_NEGATED_HU]
    as_lung = int(((numbers > DENSE_HU) & (numbers <= MOST_NEGATED_HU)).sum())
    return as_lung >= LEAST_LUNG * numbers.size and above.size - _most_alike(above) <= MOST_ABOVE * as_lung


def has_tissue_turned(numbers: NDArray[Any]) -> bool:
    """Return whether numbers that have lung turned have tissue turned as well, which tells them from fat at 900."""
    low = numbers[numbers < TISSUE_NEGATED_HU]
    return low.size - _most_alike(low) >= LEAST_TISSUE * numbers.size


def has_fat_and_bone(numbers: NDArray[Any]) -> bool:
    """Return whether there is fat where it belongs, and what is dense falls off as bone does: so only HU look."""
    fat = numbers[(numbers >= FAT_HU[0]) & (numbers < FAT_HU[1])]
    bone, dense = (float(part.mean()) for part in ((numbers >= BONE_HU) & (numbers <= DENSE_HU), numbers > DENSE_HU))
    has_fat = fat.size - _most_alike(fat) >= LEAST_FAT * numbers.size
    return has_fat and bone >= LEAST_BONE and dense <= MOST_OF_BONE * bone


def _most_alike(numbers: NDArray[Any]) -> int:
    """Return how often the most frequent number occurs, 0 of none."""
    return int(np.unique(numbers, return_counts=True)[1].max()) if numbers.size else 0
