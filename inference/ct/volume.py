"""A CT volume and its position in patient space."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

IndexZYX = tuple[int, int, int]
Block = tuple[IndexZYX, IndexZYX]


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxel grid of a scan in patient space (mm, LPS).

    shape_zyx: voxels along each array axis.
    spacing_xyz_mm, origin_xyz_mm: (3,); the origin is the centre of voxel 0.
    direction: (3, 3); column i is the patient direction of image axis i (x, y, z), as in ITK.
    """

    shape_zyx: IndexZYX
    spacing_xyz_mm: NDArray[np.float64]
    origin_xyz_mm: NDArray[np.float64]
    direction: NDArray[np.float64]

    @cached_property
    def steps_xyz_mm(self) -> NDArray[np.float64]:
        """Return (3, 3): column i is the step in mm from one voxel to the next along image axis i."""
        return self.direction * self.spacing_xyz_mm

    @cached_property
    def voxels_per_mm_xyz(self) -> NDArray[np.float64]:
        """Return (3, 3): column i is the step in voxels along image axes (x, y, z) for one mm along patient axis i."""
        return np.asarray(np.linalg.inv(self.steps_xyz_mm), dtype=np.float64)


class Scan(Protocol):
    """Anything that can be cropped: a volume in memory or an opened file."""

    @property
    def grid(self) -> Grid: ...

    def read_blocks(self, blocks: list[Block]) -> list[NDArray[np.generic]]:
        """Return the voxels of each half-open block ((z, y, x) low, high), in the scan's own number type."""
        ...


@dataclass(frozen=True, eq=False)
class CTVolume:
    """A whole CT in memory: `hu` is (z, y, x) in Hounsfield units."""

    hu: NDArray[np.generic]
    grid: Grid

    @classmethod
    def at(
        cls,
        hu: NDArray[np.generic],
        spacing_xyz_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
        origin_xyz_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
        direction: NDArray[np.float64] | None = None,
    ) -> "CTVolume":
        """Return the volume of an array placed in patient space."""
        nz, ny, nx = hu.shape
        axes = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64)
        grid = Grid(
            (nz, ny, nx),
            np.array(spacing_xyz_mm, float),
            np.array(origin_xyz_mm, float),
            axes,
        )
        return cls(hu, grid)

    def read_blocks(self, blocks: list[Block]) -> list[NDArray[np.generic]]:
        """Return views of the wanted voxels."""
        return [self.hu[slices_of(block)] for block in blocks]


def slices_of(block: Block) -> tuple[slice, slice, slice]:
    """Return the array slices of a block."""
    low, high = block
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])
