"""Render pictures as PNG bytes: planes through a point, and a heat map over a slice."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.ct.crop_spec import CropSpec

# Lung window (width 1500, centre -600), isotropic, enlarged by the browser.
VIEW_SPEC = CropSpec(
    shape_zyx=(129, 129, 129), spacing_zyx_mm=(0.5, 0.5, 0.5), window_hu=(-1350.0, 150.0), fill_hu=-1350.0
)
FIELD_MM = VIEW_SPEC.shape_zyx[0] * VIEW_SPEC.spacing_zyx_mm[0]
STRONGEST_OPACITY = 150


def planes(cube: NDArray[np.float32]) -> tuple[bytes, bytes, bytes]:
    """Return the axial, coronal and sagittal plane through the middle of a (1, Z, Y, X) cube in 0..1.

    Radiological view: the patient's right is at the left, the front is at the top (axial) or the left
    (sagittal), the head is at the top.
    """
    levels = np.rint(cube[0] * 255).astype(np.uint8)
    z, y, x = (size // 2 for size in levels.shape)
    return png(levels[z]), png(levels[::-1, y, :]), png(levels[::-1, :, x])


def heat_over(drops: NDArray[np.float64], box: tuple[slice, slice], shape: tuple[int, int]) -> bytes:
    """Return a see-through red PNG of (height, width), more opaque where the drop is larger.

    box: the rows and columns that the grid of drops covers; nothing outside it was examined.
    """
    height, width = shape
    rows, columns = box
    strongest = max(float(drops.max()), 1e-6)
    levels = np.clip(drops / strongest, 0, 1) * min(1.0, strongest / 0.05)
    coarse = Image.fromarray(np.rint(levels * STRONGEST_OPACITY).astype(np.uint8))
    inside = (columns.stop - columns.start, rows.stop - rows.start)
    alpha = Image.new("L", (width, height), 0)
    alpha.paste(coarse.resize(inside, Image.Resampling.BILINEAR), (columns.start, rows.start))
    red = Image.new("RGBA", (width, height), (220, 30, 30, 0))
    red.putalpha(alpha)
    return _encoded(red)


def png(grey: NDArray[np.uint8]) -> bytes:
    """Return an 8-bit grey picture as PNG."""
    return _encoded(Image.fromarray(np.ascontiguousarray(grey)))


def _encoded(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, format="PNG")
    return target.getvalue()
