"""Measure what lies at a point: size, edges, density, and whether lung surrounds it. Numbers in, numbers out.

The measures are taken in axial planes near the point, because a nodule's own file ends one or two slices beyond it.
They feed the lesion model's second opinion, its choice of field, and the guard that doubts a point in no lung lesion.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .lesion_fields import NEAR, WIDE, Fields
from .rays import RAYS, capped, diameter_mm, lengths_mm, middle_of, profiles

LUNG_HU, TISSUE_HU, BONE_HU, AIR_HU = -600.0, -200.0, 200.0, -960.0
# Half way from lung to tissue would lose ground glass: the edge lies half way to the lesion's own density, limited.
BACKGROUND_HU, LOWEST_EDGE_HU, HIGHEST_EDGE_HU = -850.0, -750.0, -350.0
FAINT_HU, MIDDLE_HU, SOLID_HU = -650.0, -450.0, -250.0
STEP_MM, STEPS = 0.4, 48
WIDE_STEP_MM, WIDE_STEPS = 0.8, 49
MIDDLE = NEAR.shape_zyx[0] // 2
PIXEL_MM = NEAR.spacing_zyx_mm[1]
SLICE_MM = NEAR.spacing_zyx_mm[0]
SEARCH = 4
LONGEST_TO_NARROWEST = 1.25
PAST_EDGE_MM = 2.4
OFF_CENTER_COST_HU = 10.0
REACH_PIXELS = (14.0, 33.0)
NAMES = (
    "diameter_faint", "diameter_middle", "diameter_solid", "diameter", "narrowest", "widest", "median_width",
    "openness", "open_to_the_end", "roughness", "ray_25", "ray_75", "ray_longest", "core", "mean", "spread",
    "brightest", "calcified", "ground_glass", "edge", "outside", "outside_lung", "outside_air", "reach_lung",
    "reach_lung_8_mm",
    "z1_low", "z1_high", "z2_low", "z2_high", "z4_low", "z4_high", "length_z", "diameter_next", "diameter_next_least",
    "field_lung", "field_air", "field_bone", "field_soft", "shift", "center", "threshold",
)  # fmt: skip
Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Shape:
    """The measures of one point.

    values: (len(NAMES),) in the order of NAMES; mm and HU.
    diameter_mm: of the disc that the lesion's faint part fills, over the wide field where it outgrows the near one.
    in_lung: share of its edge, 0..1, beyond which there is lung; low on the chest wall.
    shift_zyx_mm: from the point to the middle of the lesion.
    """

    values: NDArray[np.float64]
    diameter_mm: float
    in_lung: float
    shift_zyx_mm: tuple[float, float, float]


def measure(fields: Fields) -> Shape:
    """Return the measures of what lies in the middle of `fields`."""
    plane = fields.near[MIDDLE]
    start, core = _brightest(plane)
    edge_hu = float(np.clip((core + BACKGROUND_HU) / 2, LOWEST_EDGE_HU, HIGHEST_EDGE_HU))
    center = _middle(plane, start, edge_hu)
    profile = profiles(plane, center, PIXEL_MM, STEP_MM, STEPS)
    lengths = lengths_mm(profile, edge_hu, STEP_MM)
    sizes = [diameter_mm(lengths_mm(profile, hu, STEP_MM)) for hu in (FAINT_HU, MIDDLE_HU, SOLID_HU)]
    values = [
        *sizes, diameter_mm(lengths), *_widths(lengths), *_inside(profile, lengths, core), *_around(profile, lengths),
        *_along_z(fields.near, center, edge_hu), *_field(plane),
        PIXEL_MM * float(np.hypot(*np.subtract(center, (NEAR.shape_zyx[1] - 1) / 2))),
        float(plane[22:26, 22:26].mean()), edge_hu,
    ]  # fmt: skip
    size_mm, in_lung = _size_mm(fields, center, edge_hu, max(sizes[0], values[3]))
    offset = np.subtract(center, (NEAR.shape_zyx[1] - 1) / 2) * PIXEL_MM
    shift = (_shift_z(fields.near, center, edge_hu), float(offset[0]), float(offset[1]))
    return Shape(np.asarray(values, dtype=np.float64), size_mm, in_lung, shift)


def _brightest(plane: Floats) -> tuple[tuple[int, int], float]:
    """Return the densest place within 3 mm of the middle, nearer ones preferred, and its HU; averaged over 3 x 3."""
    rows = (plane[:-2] + plane[1:-1] + plane[2:]) / 3
    smooth = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 3
    middle = plane.shape[0] // 2 - 2
    near = smooth[middle - SEARCH : middle + SEARCH + 1, middle - SEARCH : middle + SEARCH + 1]
    away = np.arange(-SEARCH, SEARCH + 1)
    cost = OFF_CENTER_COST_HU * np.hypot(away[:, None], away[None, :]) ** 1.5
    row, column = np.unravel_index(int((near - cost).argmax()), near.shape)
    first = middle - SEARCH + 1
    return (first + int(row), first + int(column)), float(near[row, column])


def _middle(plane: Floats, start: tuple[int, int], edge_hu: float) -> tuple[float, float]:
    """Return the lesion's middle (y, x) in pixels: the start, moved twice to the centroid of its rays."""
    y, x = map(float, start)
    for _ in range(2):
        lengths = capped(lengths_mm(profiles(plane, (y, x), PIXEL_MM, STEP_MM, STEPS), edge_hu, STEP_MM))
        reach = max(2.0, 0.5 * float(lengths.max())) / PIXEL_MM
        moved = middle_of(lengths)
        y = _limited(y + moved[0] / PIXEL_MM, start[0], reach)
        x = _limited(x + moved[1] / PIXEL_MM, start[1], reach)
    return y, x


def _limited(place: float, start: int, reach: float) -> float:
    return float(np.clip(place, max(start - reach, REACH_PIXELS[0]), min(start + reach, REACH_PIXELS[1])))


def _widths(lengths: Floats) -> list[float]:
    """Return narrowest, widest and median width, openness, roughness, and how the rays' lengths spread."""
    across = np.sort(lengths[: RAYS // 2] + lengths[RAYS // 2 :])
    ordered = np.sort(lengths)
    usual = ordered[int(0.4 * RAYS)]
    clipped = np.minimum(lengths, 1.6 * usual + 1)
    turns = np.abs(np.diff(np.append(clipped, clipped[0]))).mean()
    return [
        float(across[1]), float(across[-2]), float(across[RAYS // 4]),
        float((lengths > 1.6 * usual + 1).mean()), float((lengths > 17).mean()),
        float(turns / (diameter_mm(lengths) / 2 + 1)),
        float(ordered[RAYS // 4]), float(ordered[3 * RAYS // 4]), float(ordered[-2]),
    ]  # fmt: skip


def _inside(profile: Floats, lengths: Floats, core: float) -> list[float]:
    """Return the density inside: its core, mean, spread, brightest, and the shares of calcium and ground glass."""
    voxels = profile[np.arange(STEPS) * STEP_MM < capped(lengths)[:, None]]
    voxels = voxels if voxels.size else np.array([core])
    return [
        core, float(voxels.mean()), float(voxels.std()), float(np.percentile(voxels, 95)),
        float((voxels > BONE_HU).mean()), float((voxels < -300).mean()),
    ]  # fmt: skip


def _around(profile: Floats, lengths: Floats) -> list[float]:
    """Return how sharp the edge is, and how much of what follows is lung or air."""
    at = np.clip((lengths / STEP_MM).astype(int), 2, STEPS - 9)
    ray = np.arange(RAYS)
    after = profile[ray, at + 7]
    return [
        float(np.median(profile[ray, at - 2] - profile[ray, at + 3])), float(np.median(after)),
        float((after < LUNG_HU).mean()), float((after < AIR_HU).mean()),
        float((profile.min(axis=1) < LUNG_HU).mean()), float((profile[:, :20].min(axis=1) < LUNG_HU).mean()),
    ]  # fmt: skip


def _column(near: Floats, center: tuple[float, float]) -> Floats:
    """Return the mean HU of 2.4 x 2.4 mm at the lesion's middle in each slice."""
    row, column = round(center[0]), round(center[1])
    return np.asarray(near[:, row - 1 : row + 2, column - 1 : column + 2].mean(axis=(1, 2)))


def _along_z(near: Floats, center: tuple[float, float], edge_hu: float) -> list[float]:
    """Return the density above and below, the length along z, and the size one slice away."""
    column = _column(near, center)
    pairs = [sorted((float(column[MIDDLE - step]), float(column[MIDDLE + step]))) for step in (1, 2, 4)]
    below, above = _reaches(column, edge_hu)
    nearby = [
        diameter_mm(lengths_mm(profiles(near[MIDDLE + step], center, PIXEL_MM, STEP_MM, STEPS), edge_hu, STEP_MM))
        for step in (-1, 1)
    ]
    return [*(value for pair in pairs for value in pair), SLICE_MM * (below + above), sum(nearby) / 2, min(nearby)]


def _reaches(column: Floats, edge_hu: float) -> tuple[int, int]:
    """Return how many slices below and above the middle the lesion goes on."""
    ends = [np.flatnonzero(part < edge_hu) for part in (column[MIDDLE::-1], column[MIDDLE:])]
    below, above = (int(end[0]) if end.size else MIDDLE + 1 for end in ends)
    return below, above


def _shift_z(near: Floats, center: tuple[float, float], edge_hu: float) -> float:
    below, above = _reaches(_column(near, center), edge_hu)
    return SLICE_MM * (above - below) / 2


def _field(plane: Floats) -> list[float]:
    return [
        float((plane < LUNG_HU).mean()), float((plane < AIR_HU).mean()),
        float((plane > BONE_HU).mean()), float((plane > TISSUE_HU).mean()),
    ]  # fmt: skip


def _size_mm(fields: Fields, center: tuple[float, float], edge_hu: float, near_mm: float) -> tuple[float, float]:
    """Return the diameter of the lesion's faint part, and the share of its edge beyond which there is lung.

    Measured over the wide field where it fills most of the near one.
    """
    threshold = min(edge_hu, FAINT_HU)
    if near_mm < 0.75 * 2 * STEP_MM * STEPS:
        profile, step_mm = profiles(fields.near[MIDDLE], center, PIXEL_MM, STEP_MM, STEPS), STEP_MM
    else:
        ratio = PIXEL_MM / WIDE.spacing_zyx_mm[1]
        y, x = ((at - (NEAR.shape_zyx[1] - 1) / 2) * ratio + (WIDE.shape_zyx[1] - 1) / 2 for at in center)
        plane, step_mm = fields.wide[WIDE.shape_zyx[0] // 2], WIDE_STEP_MM
        profile = profiles(plane, (y, x), WIDE.spacing_zyx_mm[1], step_mm, WIDE_STEPS)
    lengths = lengths_mm(profile, threshold, step_mm)
    after = np.minimum((lengths / step_mm + PAST_EDGE_MM / step_mm).astype(int), profile.shape[1] - 1)
    in_lung = profile[np.arange(RAYS), after] < LUNG_HU
    return _thickness_mm(lengths), float(in_lung.mean())


def _thickness_mm(lengths: Floats) -> float:
    """Return the diameter, or little more than the narrowest width of what is long: a nodule on the wall is no wall."""
    across = np.sort(lengths[: RAYS // 2] + lengths[RAYS // 2 :])
    return min(diameter_mm(lengths), LONGEST_TO_NARROWEST * float(across[1]))
