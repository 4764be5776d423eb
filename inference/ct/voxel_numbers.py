"""The numbers of a scan around a point as they are stored, before they are limited to what a scanner can measure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .geometry import world_to_index
from .volume import Block, Scan

REACH_MM = 25.0
MOST_VOXELS_AWAY = 48
MOST_POINTS = 8
# No tissue, and hardly any noise, is as low; what fills the corners outside a scanner's circle is, with one number.
NOTHING_BELOW_HU = -1300.0
BEYOND_HU = 3100.0
# Negated, lung and air lie from 500 to 1024 and nothing above; stored with an offset, so does fat, with muscle above.
DENSE_HU, MOST_NEGATED_HU = 700.0, 1040.0
LEAST_LUNG, MOST_ABOVE = 0.15, 0.05
# Fat and its edges. A scanner's lowest number is -1024, so that with 976 or more added nothing of it is as low as this.
FAT_HU, LEAST_FAT = (-200.0, -50.0), 0.01
# Bone gets rarer the denser it is. With an offset, or negated, a peak of tissue or of lung lies above DENSE_HU instead.
BONE_HU, LEAST_BONE, MOST_OF_BONE = 200.0, 0.03, 0.7
# Tissue lies a little below 0 where it is negated. With an offset nothing is as low, or one number that fills corners.
TISSUE_NEGATED_HU, LEAST_TISSUE = -50.0, 0.01


def numbers_around(points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> NDArray[Any]:
    """Return the voxels within 25 mm of the first few points, in one row, in the scan's own number type."""
    blocks = [_block_around(point, scan) for point in points_xyz_mm[:MOST_POINTS]]
    return np.concatenate([block.ravel() for block in scan.read_blocks(blocks)])


def _block_around(point_xyz_mm: ArrayLike, scan: Scan) -> Block:
    middle = np.round(world_to_index(point_xyz_mm, scan.grid)).astype(int)
    size = np.array(scan.grid.shape_zyx)
    away = np.minimum(REACH_MM / scan.grid.spacing_xyz_mm[::-1], MOST_VOXELS_AWAY).astype(int)
    low, high = np.clip(middle - away, 0, size - 1), np.clip(middle + away, 0, size - 1) + 1
    return tuple(low.tolist()), tuple(high.tolist())


def share_below_anything(numbers: NDArray[Any]) -> float:
    """Return how many numbers are lower than anything is, 0..1, without the one number that fills the corners."""
    low = numbers[numbers < NOTHING_BELOW_HU]
    filled = _most_alike(low)
    return (low.size - filled) / max(1, numbers.size - filled)


def is_swapped(numbers: NDArray[Any]) -> bool:
    """Return whether integers look like Hounsfield units once their bytes are swapped."""
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize == 1:
        return False
    swapped = numbers.byteswap()
    return float(((swapped >= NOTHING_BELOW_HU) & (swapped <= BEYOND_HU)).mean()) >= 0.9


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
