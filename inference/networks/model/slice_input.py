"""Prepare an 8-bit grey picture as the slice network's input, the same in training and serving; no torch."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BODY_GREY = 20
# A row or column belongs to the body when this share of it is brighter than BODY_GREY.
BODY_SHARE = 0.05
SMALLEST_BODY = 20
DARK_PERCENTILE, BRIGHT_PERCENTILE = 1, 99


def prepare_slice(grey: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return the body, stretched to a square and to full contrast: (1, side, side) in 0..1.

    grey: (height, width) uint8. Cropping the border and stretching the contrast removes most of
    the traits that only reveal where a picture was published.
    """
    body = crop_to_body(grey)
    square = Image.fromarray(body).resize((side, side), Image.Resampling.BICUBIC)
    return stretch_contrast(np.asarray(square, dtype=np.float32))[None]


def crop_to_body(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture without its dark border, or unchanged where no body is found."""
    rows, columns = body_box(grey)
    return np.ascontiguousarray(grey[rows, columns])


def body_box(grey: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns of the picture that the network sees."""
    bright = grey > BODY_GREY
    rows = np.flatnonzero(bright.mean(axis=1) > BODY_SHARE)
    columns = np.flatnonzero(bright.mean(axis=0) > BODY_SHARE)
    if min(rows.size, columns.size) < SMALLEST_BODY:
        return slice(0, grey.shape[0]), slice(0, grey.shape[1])
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def stretch_contrast(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map the 1st to 99th percentile to 0..1, clipped; a uniform picture becomes 0."""
    low, high = np.percentile(grey, [DARK_PERCENTILE, BRIGHT_PERCENTILE])
    return np.clip((grey - low) / max(high - low, 1.0), 0, 1).astype(np.float32)
