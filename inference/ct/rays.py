"""Rays from a point in an axial plane: how far they run before the tissue ends. The basis of a lesion's measures."""

import numpy as np
from numpy.typing import NDArray

RAYS = 24
ANGLES = np.arange(RAYS) * 2 * np.pi / RAYS
SINES, COSINES = np.sin(ANGLES), np.cos(ANGLES)
# Rays beyond the one at this rank, by length, may have run into a vessel or the chest wall.
ROBUST_RANK = int(0.4 * RAYS)
STEEPEST_HU = 1e-3
Floats = NDArray[np.floating]


def profiles(plane: Floats, center_yx: tuple[float, float], pixel_mm: float, step_mm: float, steps: int) -> Floats:
    """Return (RAYS, steps): HU along rays from `center_yx` (pixels), every `step_mm`; the edge is repeated."""
    distance = np.arange(steps) * (step_mm / pixel_mm)
    height, width = plane.shape
    y = np.clip(center_yx[0] + SINES[:, None] * distance, 0, height - 1.001)
    x = np.clip(center_yx[1] + COSINES[:, None] * distance, 0, width - 1.001)
    row, column = y.astype(np.intp), x.astype(np.intp)
    down, right = y - row, x - column
    flat, at = plane.ravel(), row * width + column
    upper = flat[at] * (1 - right) + flat[at + 1] * right
    lower = flat[at + width] * (1 - right) + flat[at + width + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def lengths_mm(profile: Floats, threshold_hu: float, step_mm: float) -> Floats:
    """Return (RAYS,): mm until each profile first falls below the threshold, or the whole ray where it never does."""
    below = profile < threshold_hu
    last = profile.shape[1] - 1
    first = np.where(below.any(axis=1), below.argmax(axis=1), last)
    before, ray = np.maximum(first - 1, 0), np.arange(len(profile))
    above, under = profile[ray, before], profile[ray, np.maximum(first, 1)]
    part = np.clip((above - threshold_hu) / np.maximum(above - under, STEEPEST_HU), 0, 1)
    found = np.where(first == 0, 0.0, (before + part) * step_mm)
    return np.asarray(np.where(below.any(axis=1), found, last * step_mm))


def capped(lengths: Floats) -> Floats:
    """Return the lengths with those cut that run on into a vessel or the wall."""
    return np.minimum(lengths, 1.25 * np.sort(lengths)[ROBUST_RANK] + 0.5)


def diameter_mm(lengths: Floats) -> float:
    """Return the diameter of the disc as large as the capped star of the rays."""
    return float(2 * np.sqrt((capped(lengths) ** 2).mean()))


def middle_of(lengths: Floats) -> tuple[float, float]:
    """Return how far the star's centroid lies from the rays' start, (y, x) in mm."""
    area = max(float((lengths**2).sum()), 1e-6)
    cubes = lengths**3
    return float((SINES * cubes).sum() / area * 2 / 3), float((COSINES * cubes).sum() / area * 2 / 3)
