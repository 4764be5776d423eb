"""Synthetic chest phantoms with lungs, vessels and nodules of known place, size and label.

The same seed gives the same chest. Phantoms hold no patient data, so the demo, tests and examples may ship and show
them. A model's score on phantoms says nothing about patients.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .volume import CTVolume

AIR_HU, LUNG_HU, TISSUE_HU, VESSEL_HU, BONE_HU, CALCIFIED_HU = -1000, -860, 40, 30, 450, 350
NOISE_HU = 18.0
BODY_RADII_XY_MM = (150.0, 105.0)
LUNG_CENTERS_X_MM = (-68.0, 68.0)
LUNG_RADII_XY_MM = (52.0, 78.0)
LUNGS_XY_MM = (2 * (LUNG_CENTERS_X_MM[1] + LUNG_RADII_XY_MM[0]), 2 * LUNG_RADII_XY_MM[1])

Mesh = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Nodule:
    """One nodule, as drawn.

    point_xyz_mm: its centre in world mm (LPS). diameter_mm: mean diameter. density_hu: its inside.
    margin_mm: width of the soft edge. spiculation: how far spikes reach, as a part of the radius; 0 is round.
    is_malignant: the label it was drawn for.
    """

    point_xyz_mm: tuple[float, float, float]
    diameter_mm: float
    density_hu: float
    margin_mm: float
    spiculation: float
    is_malignant: bool


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic chest and its nodules."""

    volume: CTVolume
    nodules: tuple[Nodule, ...]


def make_phantom(
    seed: int,
    *,
    labels: tuple[bool, ...] = (True, False),
    shape_zyx: tuple[int, int, int] = (60, 160, 160),
    spacing_xyz_mm: tuple[float, float, float] = (2.0, 2.0, 2.5),
) -> Phantom:
    """Draw a chest with one nodule per label: malignant nodules tend to be large and spiculated, benign ones do not.

    The world's origin is the middle of the chest. The appearance of the two labels overlaps, as in patients.
    Raises ValueError if the lungs do not fit into the grid.
    """
    reach_xy_mm = [size * spacing for size, spacing in zip(shape_zyx[:0:-1], spacing_xyz_mm, strict=False)]
    if reach_xy_mm[0] < LUNGS_XY_MM[0] or reach_xy_mm[1] < LUNGS_XY_MM[1]:
        raise ValueError(f"a chest needs at least {LUNGS_XY_MM} mm in plane")
    rng = np.random.default_rng(seed)
    volume = _empty(shape_zyx, spacing_xyz_mm)
    half_height_mm = float((shape_zyx[0] - 1) * spacing_xyz_mm[2] / 2)
    nodules: list[Nodule] = []
    for is_malignant in labels:
        nodules.append(_random_nodule(rng, is_malignant, half_height_mm, nodules))
    return Phantom(draw(volume, tuple(nodules), rng, half_height_mm), tuple(nodules))


def draw(volume: CTVolume, nodules: tuple[Nodule, ...], rng: np.random.Generator, half_height_mm: float) -> CTVolume:
    """Return the volume with a chest and these nodules drawn into it; HU, int16."""
    hu = np.full(volume.grid.shape_zyx, AIR_HU, dtype=np.float32)
    mesh = _mesh(volume)
    _draw_body(hu, mesh, half_height_mm)
    for start, end, radius_mm in _vessels(rng, half_height_mm):
        _draw_vessel(hu, mesh, start, end, radius_mm)
    for nodule in nodules:
        _draw_nodule(hu, mesh, nodule, rng)
    hu += rng.normal(0, NOISE_HU, hu.shape).astype(np.float32)
    return CTVolume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), volume.grid)


def _empty(shape_zyx: tuple[int, int, int], spacing_xyz_mm: tuple[float, float, float]) -> CTVolume:
    nx, ny, nz = shape_zyx[::-1]
    sx, sy, sz = spacing_xyz_mm
    origin = (-(nx - 1) * sx / 2, -(ny - 1) * sy / 2, -(nz - 1) * sz / 2)
    return CTVolume.at(np.zeros(shape_zyx, dtype=np.int16), spacing_xyz_mm, origin)


def _random_nodule(rng: np.random.Generator, is_malignant: bool, half_height_mm: float, others: list[Nodule]) -> Nodule:
    diameter = float(np.clip(rng.lognormal(np.log(17 if is_malignant else 8), 0.3), 4, 32))
    calcified = not is_malignant and rng.random() < 0.3
    return Nodule(
        point_xyz_mm=_free_place(rng, diameter, half_height_mm, others),
        diameter_mm=diameter,
        density_hu=float(CALCIFIED_HU if calcified else rng.normal(20 if is_malignant else 0, 25)),
        margin_mm=float(rng.uniform(1.0, 2.5) if is_malignant else rng.uniform(0.5, 1.2)),
        spiculation=float(rng.uniform(0.15, 0.45) if is_malignant else rng.uniform(0.0, 0.12)),
        is_malignant=is_malignant,
    )


def _free_place(
    rng: np.random.Generator, diameter_mm: float, half_height_mm: float, others: list[Nodule]
) -> tuple[float, float, float]:
    """Return a point in a lung, away from the lung's wall and, if there is room, from the other nodules."""
    for _ in range(100):
        part = rng.uniform(-0.65, 0.65, 3)
        x = rng.choice(LUNG_CENTERS_X_MM) + part[0] * (LUNG_RADII_XY_MM[0] - diameter_mm / 2)
        y = part[1] * (LUNG_RADII_XY_MM[1] - diameter_mm / 2)
        z = part[2] * max(half_height_mm - diameter_mm / 2, 0.0)
        point = (float(x), float(y), float(z))
        gaps = [np.linalg.norm(np.subtract(point, other.point_xyz_mm)) for other in others]
        if all(gap > diameter_mm + 20 for gap in gaps):
            break
    return point


def _mesh(volume: CTVolume) -> Mesh:
    """Return broadcastable world coordinates x, y, z of the voxels."""
    grid = volume.grid
    z, y, x = (
        grid.origin_xyz_mm[axis] + grid.spacing_xyz_mm[axis] * np.arange(grid.shape_zyx[2 - axis]) for axis in (2, 1, 0)
    )
    return (
        x.astype(np.float32)[None, None, :],
        y.astype(np.float32)[None, :, None],
        z.astype(np.float32)[:, None, None],
    )


def _draw_body(hu: NDArray[np.float32], mesh: Mesh, half_height_mm: float) -> None:
    x, y, z = mesh
    body = (x / BODY_RADII_XY_MM[0]) ** 2 + (y / BODY_RADII_XY_MM[1]) ** 2 < 1
    hu[np.broadcast_to(body, hu.shape)] = TISSUE_HU
    narrowing = 1 - 0.25 * (z / max(half_height_mm, 1.0)) ** 2
    for center_x in LUNG_CENTERS_X_MM:
        radius_x, radius_y = LUNG_RADII_XY_MM
        lung = ((x - center_x) / radius_x) ** 2 + (y / radius_y) ** 2 < narrowing
        hu[lung] = LUNG_HU
    spine = (x / 17) ** 2 + ((y - 82) / 15) ** 2 < 1
    hu[np.broadcast_to(spine, hu.shape)] = BONE_HU


def _vessels(
    rng: np.random.Generator, half_height_mm: float
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Yield the segments (start, end, radius) of vessels that branch outwards from each hilum."""
    for center_x in LUNG_CENTERS_X_MM:
        hilum = np.array([center_x * 0.5, 5.0, 0.0])
        for _ in range(9):
            aim = np.array([center_x * rng.uniform(0.9, 1.5), rng.uniform(-55, 55), rng.normal() * half_height_mm])
            yield from _branch(rng, hilum, aim, radius_mm=3.2)


def _branch(
    rng: np.random.Generator, start: NDArray[np.float64], aim: NDArray[np.float64], radius_mm: float
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    if radius_mm < 0.8:
        return
    end = start + (aim - start) * 0.5 + rng.normal(0, 4, 3)
    yield start, end, radius_mm
    for _ in range(2):
        yield from _branch(rng, end, aim + rng.normal(0, 14, 3), radius_mm * 0.65)


def _draw_vessel(
    hu: NDArray[np.float32],
    mesh: Mesh,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius_mm: float,
) -> None:
    where, local = _around(mesh, np.minimum(start, end) - radius_mm, np.maximum(start, end) + radius_mm)
    along = end - start
    length = float(along @ along) or 1.0
    part = sum(((local[i] - start[i]) * along[i] for i in range(3)), start=np.float32(0)) / length
    part = np.clip(part, 0, 1)
    distance = np.sqrt(sum(((local[i] - start[i] - part * along[i]) ** 2 for i in range(3)), start=np.float32(0)))
    inside = (distance < radius_mm) & (hu[where] < -500)
    hu[where][inside] = VESSEL_HU


def _draw_nodule(hu: NDArray[np.float32], mesh: Mesh, nodule: Nodule, rng: np.random.Generator) -> None:
    center = np.array(nodule.point_xyz_mm)
    reach = nodule.diameter_mm / 2 * (1 + nodule.spiculation) + 3 * nodule.margin_mm
    where, local = _around(mesh, center - reach, center + reach)
    offsets = np.stack(np.broadcast_arrays(*(local[i] - center[i] for i in range(3))))
    distance = np.sqrt((offsets**2).sum(axis=0))
    radius = nodule.diameter_mm / 2 * (1 + nodule.spiculation * _spikes(offsets, distance, rng))
    share = 1 / (1 + np.exp(np.clip((distance - radius) / (nodule.margin_mm / 4), -50, 50)))
    hu[where] += share.astype(np.float32) * (np.float32(nodule.density_hu) - hu[where])


def _spikes(offsets: NDArray[np.float64], distance: NDArray[np.float64], rng: np.random.Generator) -> np.ndarray:
    """Return how far the surface reaches out in each direction: -0.3 between spikes, up to 1 on one."""
    directions = rng.normal(size=(14, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    unit = offsets / np.maximum(distance, 1e-6)
    nearest = np.tensordot(directions, unit, axes=(1, 0)).max(axis=0)
    return 1.3 * np.clip(nearest, 0, 1) ** 24 - 0.3


def _around(
    mesh: Mesh, low_xyz: NDArray[np.float64], high_xyz: NDArray[np.float64]
) -> tuple[tuple[slice, slice, slice], Mesh]:
    """Return the array slices of a box in mm, and the world coordinates inside it."""
    x, y, z = (
        slice(int(np.searchsorted(axis.ravel(), low)), int(np.searchsorted(axis.ravel(), high, side="right")))
        for axis, low, high in zip(mesh, low_xyz, high_xyz, strict=True)
    )
    return (z, y, x), (mesh[0][:, :, x], mesh[1][:, y, :], mesh[2][z, :, :])
