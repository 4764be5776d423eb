"""Recognise voxels that are not Hounsfield units: an offset, grey of a window, 0 to 1, a turned sign, a multiple."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .crop_spec import CropSpec
from .cropping import crop_each_hu
from .geometry import axis_order
from .lesion_fields import Fields, Floats
from .volume import Scan
from .voxel_numbers import (
    has_fat_and_bone,
    has_lung_turned,
    has_tissue_turned,
    is_swapped,
    misread,
    numbers_around,
    share_below,
)

# Around any point of a chest there is lung, air or at least fat, well below 0 HU.
AIR_HU = -500.0
WHOLE_CHEST_MM = 250.0
# A cut smaller than this in plane may hold nothing but tissue, so that nothing can be said of its numbers.
LEAST_MM = 20.0
LEAST_AIR = 0.01
# Numbers scaled to 0..1, -1..1 or a mean of 0 span a few units; the noise of any scanner alone spans more than 20 HU.
UNIT_RANGE, GREY_RANGE = 20.0, 255.0
# With 1000 or 1024 added lung lies above 50 and tissue above 900. In HU a place without air is soft tissue, fat and
# bone: one in eight of such cuts is mostly as dense and in part denser than this, beside a spine or ribs.
DENSE_HU, LEAST_DENSE, MIDDLE_HU = 700.0, 0.005, 50.0
# Fields are clipped to what tissue can be: lower numbers fill what lies outside the scanner's circle.
FILLED_HU, BEYOND_HU = -1020.0, 3000.0
# With an offset soft tissue is dense, a third or more of a field's parts within the circle, while hardly any is air.
MOSTLY_DENSE, HARDLY_AIR = 0.3, 0.05
# Scaled to 12 bits and lowered by 1024, air lies where it does in HU and tissue at 700 and above, so that little lies
# between. Of 248 real cuts around a nodule and 1,100 places in two scans none has more than 0.08 as dense.
LEAST_SCALED, MOST_OF_TISSUE = 0.12, 1.5
# A window makes all air its lowest number. Of a scan of 20 mm one corner voxel fills up to 0.14 of the wide field.
LEAST_CUT = 0.2
# No more of a chest than a little metal is beyond BEYOND_HU. A quarter of a whole plane is denser than TISSUE_HU.
MOST_BEYOND, BEYOND_AND_BELOW = 0.05, 0.25
TISSUE_HU, LEAST_TISSUE = -200.0, 0.05
# Fields like these lead to a look at the numbers as stored: of 743 real cuts around a nodule less than one in a hundred
# is filled as much, and in none, nor in 1,400 cuts out of two whole scans, is more than 0.1 as dense.
ODDLY_FILLED, ODDLY_DENSE = 0.1, 0.15
# Of the numbers as stored: 0.001 at most in those cuts, 0.13 at least where bytes are swapped or numbers ten times HU.
LEAST_BELOW_ANYTHING = 0.1
# Where the sign is turned only bone is as low as air, and of bone little is that dense.
LEAST_TRUE_AIR = 0.1
# With an offset subtracted twice air lies at -2024; ten times HU reach to -10,000.
SUBTRACTED_AIR_HU, MOST_BELOW_AIR = -2300.0, 0.01
ROUNDING = 0.5
SEND_AS_STORED = "send the scan as the scanner stored it."
OFFSET = (
    "there is no air: they look stored with an offset, most often 1024. Subtract it (air is -1000 and water 0). If no "
    f"one number brings both there, they were scaled as well: {SEND_AS_STORED}"
)
SCALED = (
    "beside air (-1000) more is as dense as bone than as tissue (0): they look scaled to a grey window: "
    f"{SEND_AS_STORED}"
)
ALL_BEYOND = (
    "all are denser than any tissue (3000), as with 32768 added: subtract what was added (air is -1000 and water 0)."
)
SUBTRACTED_TWICE = (
    "hardly anything is as dense as tissue: an offset looks subtracted twice. Add it once, most often 1024 "
    "(air is -1000)."
)
MULTIPLIED = (
    "many lie far below air: they look multiplied, most often by 10. Divide them by that number (air is -1000)."
)
NEGATED = "air lies near 1000, and tissue near 0: their sign looks turned. Multiply them by -1."
NEGATED_OR_OFFSET = (
    "there is no air (-1000). If air lies near 1000 their sign is turned: multiply them by -1. If it lies near 0 they "
    "look stored with an offset, most often 1024: subtract it."
)
NUMBER_TYPE = "read as floating-point numbers they do: correct ElementType, to MET_FLOAT."
BYTE_ORDER = "they reach far beyond those of tissue, as where BinaryDataByteOrderMSB is wrong: correct it."
# One axial plane at 6 mm, single voxels: enough to see whether there is air.
PLANE = CropSpec(shape_zyx=(1, 64, 64), spacing_zyx_mm=(1.0, 6.0, 6.0), fill_hu=None, smooth=False)


def foreign_scale(fields: Sequence[Fields], points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> str | None:
    """Return what the voxels look like instead of HU, and what to do, or None where they look like HU.

    fields: around `points_xyz_mm`, at least one. The whole plane is read only if the fields hold no air, or nothing
    between air and what no tissue is.
    """
    near = np.concatenate([field.near.ravel() for field in fields])
    wide = np.concatenate([field.wide.ravel() for field in fields])
    low, high = float(min(near.min(), wide.min())), float(max(near.max(), wide.max()))
    if min(_in_plane_mm(scan)) < LEAST_MM:
        return None
    if said := _as_stored(near, wide, points_xyz_mm, scan):
        return said
    if low < AIR_HU:
        return _with_air(wide, points_xyz_mm, scan)
    if high - low <= UNIT_RANGE:
        numbers = numbers_around(points_xyz_mm, scan)
        if said := _misread(numbers):
            return said
        if low >= BEYOND_HU:
            return ALL_BEYOND
        return f"they span less than 20 units, like numbers scaled to 0 to 1: {SEND_AS_STORED}"
    is_cut_off = float((wide <= low + ROUNDING).mean()) >= LEAST_CUT
    if is_cut_off or _lacks_air(points_xyz_mm, scan):
        return _without_air(wide, low, high)
    is_high = low >= 0 or _lies_high(near, wide)
    if is_high and not has_fat_and_bone(numbers_around(points_xyz_mm, scan)):
        return _without_air(wide, low, high)
    return None


def _as_stored(near: Floats, wide: Floats, points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> str | None:
    """Return what is wrong with numbers that no tissue and no scanner has, which fields hide: they are limited.

    Of a whole chest the plane is looked at too: around a point in tissue an offset subtracted twice leaves air alone.
    """
    both = np.concatenate([near, wide])
    dense, is_whole = float((both > DENSE_HU).mean()), _is_whole(scan)
    filled = max(float((field <= FILLED_HU).mean()) for field in (near, wide))
    if filled < ODDLY_FILLED and dense < ODDLY_DENSE and not (is_whole and float(both.max()) < TISSUE_HU):
        return None
    numbers = numbers_around(points_xyz_mm, scan, with_plane=is_whole)
    if said := _misread(numbers):
        return said
    if share_below(numbers) >= LEAST_BELOW_ANYTHING:
        if is_swapped(numbers):
            return BYTE_ORDER
        has_tissue = float((numbers > TISSUE_HU).mean()) >= LEAST_TISSUE
        is_below_air = share_below(numbers, SUBTRACTED_AIR_HU) >= MOST_BELOW_AIR
        return MULTIPLIED if has_tissue or is_below_air else SUBTRACTED_TWICE
    has_true_air = share_below(numbers, AIR_HU) >= LEAST_TRUE_AIR
    if dense >= ODDLY_DENSE and has_lung_turned(numbers) and not has_true_air:
        return NEGATED if has_tissue_turned(numbers) else NEGATED_OR_OFFSET
    return None


def _misread(numbers: NDArray[Any]) -> str | None:
    """Return which line of the header makes something else of Hounsfield units, if one does."""
    if is_swapped(numbers) and not is_swapped(numbers.byteswap()):
        return BYTE_ORDER
    return {"BinaryDataByteOrderMSB": BYTE_ORDER, "ElementType": NUMBER_TYPE}.get(misread(numbers) or "")


def _with_air(wide: Floats, points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> str | None:
    """Return what is wrong with numbers of which some are as low as air."""
    beyond, below = float((wide > BEYOND_HU).mean()), float((wide <= FILLED_HU).mean())
    within = wide[wide > FILLED_HU] if 0 < below < 1 else np.zeros(1, np.float32)
    dense = float((within > DENSE_HU).mean())
    if dense >= MOSTLY_DENSE and float((within < AIR_HU).mean()) < HARDLY_AIR:
        return OFFSET
    if min(beyond, below) >= BEYOND_AND_BELOW:
        return BYTE_ORDER
    if beyond >= MOST_BEYOND and _is_whole(scan):
        [plane] = crop_each_hu(points_xyz_mm[:1], scan, PLANE)
        if float((plane > BEYOND_HU).mean()) >= MOST_BEYOND:
            return BYTE_ORDER
    return (_misread(numbers_around(points_xyz_mm, scan)) or SCALED) if _is_scaled(wide) else None


def _is_scaled(wide: Floats) -> bool:
    """Return whether much is denser than bone, and more than is as dense as fat, tissue and bone together."""
    dense = float((wide > DENSE_HU).mean())
    tissue = float(((wide > TISSUE_HU) & (wide <= DENSE_HU)).mean())
    return dense >= LEAST_SCALED and dense > MOST_OF_TISSUE * tissue


def _without_air(wide: Floats, low: float, high: float) -> str:
    """Return what numbers without air look like; the remedy of an offset would hide that of a grey window."""
    if low >= -ROUNDING and high <= GREY_RANGE + ROUNDING:
        return f"they lie between 0 and 255, like 8-bit grey: {SEND_AS_STORED}"
    if float(np.median(wide)) > BEYOND_HU:
        return f"most are denser than bone, as negative numbers are that were stored as unsigned ones: {SEND_AS_STORED}"
    if high <= DENSE_HU:
        return f"there is no air (-1000): they look cut to a grey window, or stored with an offset: {SEND_AS_STORED}"
    return OFFSET


def _lies_high(near: Floats, wide: Floats) -> bool:
    """Return whether fields without air are denser than tissue: stored with an offset, less than that of their air."""
    dense = np.concatenate([near, wide]) > DENSE_HU
    return float(np.median(near)) > MIDDLE_HU and float(dense.mean()) >= LEAST_DENSE


def _lacks_air(points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> bool:
    """Return whether the plane of a whole chest through the first point holds no air to speak of."""
    if not _is_whole(scan):
        return False
    [plane] = crop_each_hu(points_xyz_mm[:1], scan, PLANE)
    return float((plane < AIR_HU).mean()) < LEAST_AIR


def _is_whole(scan: Scan) -> bool:
    return min(_in_plane_mm(scan)) >= WHOLE_CHEST_MM


def _in_plane_mm(scan: Scan) -> NDArray[np.float64]:
    """Return how wide the scan is along patient x and y; oblique scans by their own axes."""
    order = axis_order(scan.grid.direction) or (0, 1, 2)
    sizes_xyz = np.array(scan.grid.shape_zyx[::-1]) * scan.grid.spacing_xyz_mm
    return np.asarray(sizes_xyz[list(order[:2])])


def slice_distance_mm(scan: Scan) -> float:
    """Return the distance of the slices along patient z; of an oblique scan, along its third axis."""
    order = axis_order(scan.grid.direction) or (0, 1, 2)
    return float(scan.grid.spacing_xyz_mm[order[2]])


def has_default_geometry(scan: Scan) -> bool:
    """Return whether spacing, origin and direction are those of a header written without any: 1 mm, 0, unturned.

    A scan resampled to 1 mm keeps its origin; an array saved as an image has neither.
    """
    grid = scan.grid
    is_unplaced = not grid.origin_xyz_mm.any() and bool((grid.direction == np.eye(3)).all())
    return is_unplaced and bool((grid.spacing_xyz_mm == 1).all())


def share_outside(point_xyz_mm: ArrayLike, scan: Scan, reach_mm: float) -> float:
    """Return the largest part, 0..1, of `reach_mm` around the point that is missing on any side in the axial plane."""
    grid = scan.grid
    order = axis_order(grid.direction) or (0, 1, 2)
    index_xyz = grid.voxels_per_mm_xyz @ (np.asarray(point_xyz_mm, dtype=np.float64) - grid.origin_xyz_mm)
    size_xyz = np.array(grid.shape_zyx[::-1])
    axes = list(order[:2])
    room = np.minimum(index_xyz + 0.5, size_xyz - 0.5 - index_xyz)[axes] * grid.spacing_xyz_mm[axes]
    return float(np.clip(1 - room / reach_mm, 0, 1).max())
