"""Crop oblique scans, whose axes are not parallel to the patient's: the general, slower path of cropping."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .crop_spec import CropSpec, physical, refuse_too_fine
from .volume import Block, IndexZYX, Scan

# The most voxels averaged on each side; where an output voxel spans more of them, some are skipped.
LEAST_TAPS = 4


def crop_oblique(centers_zyx: Sequence[NDArray[np.float64]], scan: Scan, spec: CropSpec) -> list[NDArray[np.float32]]:
    """Return cubes (Z, Y, X) in HU along patient axes; centers_zyx: array indices of the points."""
    steps_zyx = _steps(scan, spec)
    smoothing = _smoothing_widths(steps_zyx, spec)
    strides = np.maximum(smoothing // LEAST_TAPS, 1).astype(int)
    blocks = [_bounding_block(center_zyx, steps_zyx, smoothing, scan, spec) for center_zyx in centers_zyx]
    refuse_too_fine(blocks)
    return [
        _sample(
            _smoothed(_thinned(array, strides), smoothing / strides),
            Kept(low, strides),
            center_zyx,
            steps_zyx,
            scan,
            spec,
        )
        for array, (low, _), center_zyx in zip(scan.read_blocks(blocks), blocks, centers_zyx, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Kept:
    """The voxels of the scan that a block holds: from `low` on, every `strides`-th along each array axis."""

    low: IndexZYX
    strides: NDArray[np.int_]

    def places(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert array positions (3, n) of the scan to positions in the block."""
        return (positions - np.array(self.low)[:, None]) / self.strides[:, None]


def _thinned(block: NDArray[np.generic], strides: NDArray[np.int_]) -> NDArray[np.float32]:
    """Return every `strides`-th voxel in HU, because one output voxel may average very many."""
    z, y, x = strides.tolist()
    return physical(block[::z, ::y, ::x])


def _steps(scan: Scan, spec: CropSpec) -> NDArray[np.float64]:
    """Return (3, 3): column k is the step in the array (z, y, x) for one output voxel along output axis k."""
    voxels_per_mm_zyx = scan.grid.voxels_per_mm_xyz[::-1, ::-1]
    return voxels_per_mm_zyx * np.array(spec.spacing_zyx_mm)


def _smoothing_widths(steps_zyx: NDArray[np.float64], spec: CropSpec) -> NDArray[np.float64]:
    """Return how many voxels of each array axis one output voxel spans; at least 1."""
    spans = np.sqrt((steps_zyx**2).sum(axis=1))
    return np.maximum(spans, 1.0) if spec.smooth else np.ones(3)


def _bounding_block(
    center_zyx: NDArray[np.float64],
    steps_zyx: NDArray[np.float64],
    smoothing: NDArray[np.float64],
    scan: Scan,
    spec: CropSpec,
) -> Block:
    reach = np.abs(steps_zyx) @ ((np.array(spec.shape_zyx) - 1) / 2) + smoothing + 1
    shape = np.array(scan.grid.shape_zyx)
    low = np.maximum(np.floor(center_zyx - reach), 0).astype(int)  # the centre lies in the scan, so none is empty
    high = np.minimum(np.ceil(center_zyx + reach) + 1, shape).astype(int)
    return tuple(low.tolist()), tuple(high.tolist())


def _smoothed(block: NDArray[np.float32], widths: NDArray[np.float64]) -> NDArray[np.float32]:
    """Average along each array axis with a triangle as wide as the output voxel, where it spans several voxels."""
    for axis, width in enumerate(widths):
        if width > 1:
            block = _triangle_along(block, axis, float(width))
    return block


def _triangle_along(block: NDArray[np.float32], axis: int, width: float) -> NDArray[np.float32]:
    size = block.shape[axis]
    distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    weights = np.clip(1 - distance / width, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.moveaxis(np.tensordot(weights.astype(np.float32), block, axes=(1, axis)), 0, axis)


def _sample(
    block: NDArray[np.float32],
    kept: Kept,
    center_zyx: NDArray[np.float64],
    steps_zyx: NDArray[np.float64],
    scan: Scan,
    spec: CropSpec,
) -> NDArray[np.float32]:
    """Interpolate linearly at every output voxel of the cube."""
    positions = _positions(center_zyx, steps_zyx, spec)
    shape = np.array(scan.grid.shape_zyx)[:, None]
    values = _interpolate(block, kept.places(positions.clip(0, shape - 1)))
    if spec.fill_hu is not None:
        inside = ((positions >= -0.5) & (positions < shape - 0.5)).all(axis=0)
        values = np.where(inside, values, np.float32(spec.fill_hu))
    return values.reshape(spec.shape_zyx)


def _positions(center_zyx: NDArray[np.float64], steps_zyx: NDArray[np.float64], spec: CropSpec) -> NDArray[np.float64]:
    """Return (3, n): array positions of the output voxels in C order."""
    axes = [np.arange(size) - (size - 1) / 2 for size in spec.shape_zyx]
    offsets = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])
    return center_zyx[:, None] + steps_zyx @ offsets


def _interpolate(block: NDArray[np.float32], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    top = np.array(block.shape)[:, None] - 1
    base = np.clip(np.floor(positions).astype(int), 0, top)
    after = np.minimum(base + 1, top)
    part = (positions - base).astype(np.float32)
    values = np.zeros(positions.shape[1], dtype=np.float32)
    for corner in product((0, 1), repeat=3):
        index = tuple(after[axis] if bit else base[axis] for axis, bit in enumerate(corner))
        weight = np.prod(
            [part[axis] if bit else 1 - part[axis] for axis, bit in enumerate(corner)],
            axis=0,
        )
        values += weight * block[index]
    return values
