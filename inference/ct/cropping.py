"""Cubes around a point, in millimetres and patient axes, ready for a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .crop_spec import CropSpec, physical, refuse_too_fine, window
from .geometry import axis_order, world_to_index
from .oblique import crop_oblique
from .volume import Block, Grid, Scan


def crop_around(point_xyz_mm: ArrayLike, scan: Scan, spec: CropSpec) -> NDArray[np.float32]:
    """Return the windowed cube around a world point.

    scan: a CTVolume or an opened ScanFile; only the needed rows of a file are kept in memory.
    Returns (1, Z, Y, X) float32 in [0, 1].
    Raises PointOutsideScan, and InvalidImageFile when the file's voxels are invalid.
    """
    [crop] = crop_each([point_xyz_mm], scan, spec)
    return crop


def crop_each(points_xyz_mm: Sequence[ArrayLike], scan: Scan, spec: CropSpec) -> list[NDArray[np.float32]]:
    """Return crop_around for each point, reading the scan once."""
    return [window(hu, spec)[None] for hu in crop_each_hu(points_xyz_mm, scan, spec)]


def crop_each_hu(points_xyz_mm: Sequence[ArrayLike], scan: Scan, spec: CropSpec) -> list[NDArray[np.float32]]:
    """Return the cubes (Z, Y, X) in HU before windowing, reading the scan once."""
    [cubes] = crop_fields_hu(points_xyz_mm, scan, [spec])
    return cubes


def crop_fields_hu(
    points_xyz_mm: Sequence[ArrayLike], scan: Scan, specs: Sequence[CropSpec]
) -> list[list[NDArray[np.float32]]]:
    """Return, for each specification, the cubes of all points in HU, reading an axis-aligned scan once.

    An oblique scan is read once for each specification.
    """
    centers_zyx = [world_to_index(point, scan.grid) for point in points_xyz_mm]
    order = axis_order(scan.grid.direction)
    if order is None:
        return [crop_oblique(centers_zyx, scan, spec) for spec in specs]
    return _crop_aligned(centers_zyx, scan, specs, order)


@dataclass(frozen=True, eq=False)
class AxisWeights:
    """How each output position along one axis mixes voxels low..low+k of the scan: (out, k) float32."""

    low: int
    matrix: NDArray[np.float32]

    @property
    def high(self) -> int:
        return self.low + self.matrix.shape[1]


def axis_weights(positions: NDArray[np.float64], size: int, step: float, spec: CropSpec) -> AxisWeights:
    """Return linear weights, widened to the output step when `spec.smooth` and the step is over one voxel.

    positions: (n,) where the output voxels lie, in voxels of the scan; size: voxels of the scan on this axis.
    A position outside the scan has zero weights (it becomes the fill) unless the fill is the nearest voxel.
    """
    half_width = max(1.0, abs(step)) if spec.smooth else 1.0
    first_tap = np.floor(positions - half_width).astype(int) + 1
    taps = first_tap[:, None] + np.arange(int(np.ceil(2 * half_width)))
    weights = np.clip(1 - np.abs(taps - positions[:, None]) / half_width, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    if spec.fill_hu is not None:
        margin = half_width / 2
        weights[(positions < -margin) | (positions >= size - 1 + margin)] = 0
    return _gather(taps.clip(0, size - 1), weights)


def _gather(taps: NDArray[np.int_], weights: NDArray[np.float64]) -> AxisWeights:
    used = taps[weights > 0]
    low, high = (int(used.min()), int(used.max()) + 1) if used.size else (0, 1)
    matrix = np.zeros((len(taps), high - low))
    rows = np.broadcast_to(np.arange(len(taps))[:, None], taps.shape)
    kept = weights > 0
    np.add.at(matrix, (rows[kept], taps[kept] - low), weights[kept])
    return AxisWeights(low, matrix.astype(np.float32))


def _crop_aligned(
    centers_zyx: Sequence[NDArray[np.float64]],
    scan: Scan,
    specs: Sequence[CropSpec],
    order: tuple[int, int, int],
) -> list[list[NDArray[np.float32]]]:
    """Crop a scan whose axes run along the patient's, possibly reversed or exchanged."""
    plans = [(_plan(center_zyx, scan.grid, spec, order), spec) for spec in specs for center_zyx in centers_zyx]
    wanted = [_block(plan) for plan, _ in plans]
    refuse_too_fine(wanted)
    blocks = scan.read_blocks(wanted)
    # Image axis i is array axis 2 - i; this brings patient z, y, x to the front in that order.
    to_patient = tuple(2 - order[axis] for axis in (2, 1, 0))
    cubes = [_mix(physical(block), plan, to_patient, spec) for block, (plan, spec) in zip(blocks, plans, strict=True)]
    count = len(centers_zyx)
    return [cubes[position * count : (position + 1) * count] for position in range(len(specs))]


def _plan(
    center_zyx: NDArray[np.float64],
    grid: Grid,
    spec: CropSpec,
    order: tuple[int, int, int],
) -> dict[int, AxisWeights]:
    """Return the weights of each array axis of the scan."""
    plan = {}
    for out_axis, patient_axis in enumerate((2, 1, 0)):
        image_axis = order[patient_axis]
        array_axis = 2 - image_axis
        sign = np.sign(grid.direction[patient_axis, image_axis])
        step = float(sign * spec.spacing_zyx_mm[out_axis] / grid.spacing_xyz_mm[image_axis])
        offsets = np.arange(spec.shape_zyx[out_axis]) - (spec.shape_zyx[out_axis] - 1) / 2
        positions = center_zyx[array_axis] + step * offsets
        plan[array_axis] = axis_weights(positions, grid.shape_zyx[array_axis], step, spec)
    return plan


def _block(plan: dict[int, AxisWeights]) -> Block:
    return (plan[0].low, plan[1].low, plan[2].low), (
        plan[0].high,
        plan[1].high,
        plan[2].high,
    )


def _mix(
    block: NDArray[np.float32],
    plan: dict[int, AxisWeights],
    to_patient: tuple[int, ...],
    spec: CropSpec,
) -> NDArray[np.float32]:
    """Interpolate one axis after the other; the fill is subtracted first, so that zero weights yield the fill."""
    fill = np.float32(0.0 if spec.fill_hu is None else spec.fill_hu)
    mixed = (block - fill).transpose(to_patient)
    z, y, x = (plan[axis].matrix for axis in to_patient)
    mixed = np.tensordot(z, mixed, axes=(1, 0))
    mixed = np.matmul(y, mixed)
    mixed = np.matmul(mixed, x.T)
    return mixed + fill
