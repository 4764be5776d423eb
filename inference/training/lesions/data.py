"""LIDC nodules as crops: the crop used in serving, and variants as other scanners and files would give it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.ct.crop_spec import CropSpec, window
from inference.ct.cropping import crop_each_hu
from inference.ct.geometry import PointOutsideScan, index_to_world, world_to_index
from inference.ct.reading.metaimage import read_volume
from inference.ct.volume import CTVolume, Grid

# The margin cropped around the network's field of view, so that rotations and shifts need no made-up voxels.
MARGIN_VOXELS = 10
THIN_SLICE_MM = 1.5
LEAST_REACH_ZYX_MM = (1.0, 9.0, 9.0)


@dataclass(frozen=True)
class NoduleRow:
    """One line of nodules.csv. vote: the readers' majority on malignancy, 1..5; label: the value to predict."""

    path: Path
    patient: str
    point_xyz_mm: tuple[float, float, float]
    label: int
    vote: int
    diameter_mm: float
    spacing_zyx_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class NoduleSet:
    """All nodules of the table whose coordinate lies in their file.

    crops: (n, 1 + variants, Z, Y + 2 margin, X + 2 margin) float16 in 0..1; variant 0 is the crop used in serving.
    label, vote, diameter_mm: (n,). patient: (n,) names.
    """

    rows: tuple[NoduleRow, ...]
    crops: NDArray[np.float16]
    label: NDArray[np.int64]
    vote: NDArray[np.int64]
    diameter_mm: NDArray[np.float64]
    patient: NDArray[np.str_]


def read_rows(folder: Path) -> list[NoduleRow]:
    """Return the rows of nodules.csv in `folder` (mha/ lies beside it)."""
    with (folder / "nodules.csv").open(newline="") as file:
        return [_row(folder, line) for line in csv.DictReader(file)]


def _row(folder: Path, line: dict[str, str]) -> NoduleRow:
    x, y, z = (float(line[f"Coord{axis}"]) for axis in "XYZ")
    dz, dy, dx = (float(line[f"spacing_{axis}"]) for axis in "zyx")
    return NoduleRow(
        path=folder / "mha" / line["file"],
        patient=line["PatientID"],
        point_xyz_mm=(x, y, z),
        label=int(line["label"]),
        vote=int(line["malignancy_vote"]),
        diameter_mm=float(line["diameter_mm"]),
        spacing_zyx_mm=(dz, dy, dx),
    )


def load_nodules(folder: Path, spec: CropSpec, variants: int, seed: int) -> NoduleSet:
    """Read every nodule and crop it 1 + `variants` times; the same seed gives the same crops.

    folder: holds nodules.csv; a nodule whose point lies outside its file is left out.
    Raises OSError for a missing file, InvalidImageFile for a file that is not a scan.
    """
    rng = np.random.default_rng(seed)
    wide = widened(spec)
    kept, crops = [], []
    for row in read_rows(folder):
        try:
            crops.append(_crops_of(row, wide, variants, rng))
        except PointOutsideScan:
            continue
        kept.append(row)
    return nodule_set(kept, np.stack(crops))


def nodule_set(rows: Sequence[NoduleRow], crops: NDArray[np.float16]) -> NoduleSet:
    """Combine rows (n) and their crops (n, 1 + variants, Z, Y, X), with the columns as arrays (n,)."""
    return NoduleSet(
        tuple(rows),
        crops,
        np.array([row.label for row in rows]),
        np.array([row.vote for row in rows]),
        np.array([row.diameter_mm for row in rows]),
        np.array([row.patient for row in rows]),
    )


def widened(spec: CropSpec) -> CropSpec:
    """Return `spec` with an in-plane margin."""
    z, y, x = spec.shape_zyx
    return replace(spec, shape_zyx=(z, y + 2 * MARGIN_VOXELS, x + 2 * MARGIN_VOXELS))


def _crops_of(row: NoduleRow, spec: CropSpec, variants: int, rng: np.random.Generator) -> NDArray[np.float16]:
    volume = read_volume(row.path)
    crops = [_crop(volume, row.point_xyz_mm, spec)]
    crops += [vary_crop(volume, row.point_xyz_mm, spec, rng) for _ in range(variants)]
    return np.stack(crops)


def _crop(volume: CTVolume, point_xyz_mm: Sequence[float], spec: CropSpec) -> NDArray[np.float16]:
    [hu] = crop_each_hu([point_xyz_mm], volume, spec)
    return window(hu, spec).astype(np.float16)


def vary_crop(
    volume: CTVolume, point_xyz_mm: Sequence[float], spec: CropSpec, rng: np.random.Generator
) -> NDArray[np.float16]:
    """Return a crop (Z, Y, X) in 0..1 as another scanner, click position or file extent would give it.

    Raises PointOutsideScan where no voxel of the volume contains the point.
    """
    if rng.random() < 0.5:
        volume = thicker_slices(volume, point_xyz_mm)
    if rng.random() < 0.6:
        volume = cut_around(volume, point_xyz_mm, _random_reach(volume, point_xyz_mm, rng))
    z_mm, y_mm, x_mm = spec.spacing_zyx_mm
    stretched = replace(spec, spacing_zyx_mm=(z_mm * float(np.exp(rng.normal(0, 0.1))), y_mm, x_mm))
    return _crop(volume, _moved_in_z(volume, point_xyz_mm, float(rng.normal(0, 0.5))), stretched)


def _moved_in_z(volume: CTVolume, point_xyz_mm: Sequence[float], shift_mm: float) -> tuple[float, float, float]:
    """Return the point moved along z, or unchanged where that would leave the volume."""
    x, y, z = point_xyz_mm
    try:
        world_to_index((x, y, z + shift_mm), volume.grid)
    except PointOutsideScan:
        return x, y, z
    return x, y, z + shift_mm


def _random_reach(volume: CTVolume, point_xyz_mm: Sequence[float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (2, 3): mm kept below and above the point along z, y, x; often short along z."""
    least = np.array(LEAST_REACH_ZYX_MM)
    return least + rng.exponential((2.0, 6.0, 6.0), size=(2, 3))


def cut_around(volume: CTVolume, point_xyz_mm: Sequence[float], reach_mm: NDArray[np.float64]) -> CTVolume:
    """Return the part of an axis-aligned volume around a point; the voxel that contains the point is always kept.

    reach_mm: (2, 3) mm kept below and above the point along z, y, x. Raises PointOutsideScan.
    """
    center_zyx = world_to_index(point_xyz_mm, volume.grid)
    voxels = reach_mm / volume.grid.spacing_xyz_mm[::-1]
    shape = np.array(volume.grid.shape_zyx)
    nearest = np.rint(center_zyx).astype(int).clip(0, shape - 1)
    low = np.minimum(np.ceil(center_zyx - voxels[0]).clip(0), nearest).astype(int)
    high = np.maximum(np.floor(center_zyx + voxels[1]) + 1, nearest + 1).clip(max=shape).astype(int)
    hu = volume.hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    origin = index_to_world(low, volume.grid)
    nz, ny, nx = hu.shape
    grid = Grid((nz, ny, nx), volume.grid.spacing_xyz_mm, origin, volume.grid.direction)
    return CTVolume(hu, grid)


def thicker_slices(volume: CTVolume, point_xyz_mm: Sequence[float]) -> CTVolume:
    """Return the volume with pairs of slices averaged if its slices are thin, otherwise unchanged.

    The pairing keeps the point inside the volume.
    """
    if volume.grid.spacing_xyz_mm[2] > THIN_SLICE_MM or volume.grid.shape_zyx[0] < 4:
        return volume
    pairs = volume.grid.shape_zyx[0] // 2
    hu = volume.hu[: 2 * pairs].reshape(pairs, 2, *volume.hu.shape[1:]).mean(axis=1, dtype=np.float32)
    grid = volume.grid
    thick = Grid(
        (pairs, *grid.shape_zyx[1:]),
        grid.spacing_xyz_mm * (1, 1, 2),
        index_to_world((0.5, 0, 0), grid),
        grid.direction,
    )
    try:
        world_to_index(point_xyz_mm, thick)
    except PointOutsideScan:
        return volume
    return CTVolume(hu, thick)
