"""Phantom nodules and pictures for the tests of networks and training; no weights, no real data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from inference.ct.phantom import Nodule
from inference.ct.volume import CTVolume
from inference.networks.config import WEIGHTS_DIR
from inference.training.lesions.data import NoduleRow, nodule_set, vary_crop, widened
from inference.training.lesions.validate import SPEC

LESION = (WEIGHTS_DIR / "lesion.json", WEIGHTS_DIR / "lesion.safetensors")
SLICE = (WEIGHTS_DIR / "slice.json", WEIGHTS_DIR / "slice.safetensors")
SMOOTH = Nodule((0.0, 0.0, 0.0), 8.0, 20.0, 1.0, 0.0, False)


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def lung_with(diameter_mm: float, *, seed: int = 0, spacing_xyz_mm=(0.7, 0.7, 1.25), **changes) -> CTVolume:
    """Return 50 mm of lung whose middle, the world's origin, holds one nodule."""
    sx, sy, sz = spacing_xyz_mm
    nx, ny, nz = round(50 / sx), round(50 / sy), round(50 / sz)
    rng = np.random.default_rng(seed)
    hu = np.full((nz, ny, nx), -860.0) + rng.normal(0, 20, (nz, ny, nx))
    volume = CTVolume.at(
        hu.astype(np.int16),
        spacing_xyz_mm,
        (-(nx - 1) * sx / 2, -(ny - 1) * sy / 2, -(nz - 1) * sz / 2),
    )
    return with_nodule(volume, replace(SMOOTH, diameter_mm=diameter_mm, **changes), rng)


def with_nodule(volume: CTVolume, nodule: Nodule, rng: np.random.Generator) -> CTVolume:
    """Return the volume with a ball of soft edge drawn into it."""
    grid = volume.grid
    z, y, x = (
        grid.origin_xyz_mm[axis] + grid.spacing_xyz_mm[axis] * np.arange(grid.shape_zyx[2 - axis]) for axis in (2, 1, 0)
    )
    distance = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    edge = (distance - nodule.diameter_mm / 2) / (nodule.margin_mm / 4)
    share = 1 / (1 + np.exp(edge.clip(-50, 50)))
    hu = volume.hu + share * (nodule.density_hu - volume.hu)
    return CTVolume(hu.astype(np.int16), grid)


def sphere_in_lung(diameter_mm: float, outer_hu: float, inner_hu: float) -> CTVolume:
    """Return 90 mm of lung with one ball in its middle, whose inner half, by diameter, has a density of its own."""
    spacing = (0.7, 0.7, 1.25)
    nx, nz = round(90 / spacing[0]), round(90 / spacing[2])
    hu = np.full((nz, nx, nx), -860.0) + np.random.default_rng(0).normal(0, 20, (nz, nx, nx))
    origin = (-(nx - 1) * spacing[0] / 2, -(nx - 1) * spacing[1] / 2, -(nz - 1) * spacing[2] / 2)
    volume = CTVolume.at(hu.astype(np.int16), spacing, origin)
    rng = np.random.default_rng(0)
    ball = replace(SMOOTH, diameter_mm=diameter_mm, density_hu=outer_hu, margin_mm=1.2)
    drawn = with_nodule(volume, ball, rng)
    if inner_hu == outer_hu:
        return drawn
    return with_nodule(drawn, replace(ball, diameter_mm=diameter_mm / 2, density_hu=inner_hu), rng)


def phantom_nodules(count: int, variants: int = 1, seed: int = 0):
    """Return a NoduleSet of balls: every second small and benign, the others large and malignant."""
    rng = np.random.default_rng(seed)
    rows, crops = [], []
    for number in range(count):
        malignant = number % 2
        diameter = float(rng.uniform(13, 20) if malignant else rng.uniform(4, 8))
        volume = lung_with(diameter, seed=number)
        crops.append([vary_crop(volume, (0, 0, 0), widened(SPEC), rng) for _ in range(1 + variants)])
        rows.append(
            NoduleRow(
                Path("none"), f"P{number // 2}", (0, 0, 0), malignant, 1 + 4 * malignant, diameter, (1.25, 0.7, 0.7)
            )
        )
    return nodule_set(rows, np.array(crops, dtype=np.float16))


def chest_picture(height: int = 200, width: int = 260, seed: int = 0) -> np.ndarray:
    """Return a grey ellipse with two dark lungs on black."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    grey = np.where(x**2 + y**2 < 0.8, 140, 0)
    grey[((abs(x) - 0.4) ** 2 / 0.06 + y**2 / 0.3) < 1] = 30
    noise = np.random.default_rng(seed).integers(0, 12, grey.shape)
    return (grey + noise).astype(np.uint8)
