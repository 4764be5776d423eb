"""Prepare an 8-bit grey picture as the slice network's input, the same in training and serving; no torch."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BODY_GREY = 20
# A row or column belongs to the body when this share of it is brighter than BODY_GREY.
BODY_SHARE = 0.05
SMALLEST_BODY = 20
# Rows of a frame differ little; JPEG adds a few levels. This many pixels of a row tell.
FRAME_SPREAD, FRAME_SAMPLES = 6, 64
DARK_PERCENTILE, BRIGHT_PERCENTILE = 1, 99


def prepare_slice(grey: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return the body, stretched to a square and to full contrast: (1, side, side) in 0..1.

    grey: (height, width) uint8. Cropping the border and stretching the contrast removes most of
    the traits that only reveal where a picture was published.
    """
    body = crop_to_body(grey)
    square = Image.fromarray(body).resize((side, side), Image.Resampling.BICUBIC)
    return stretch_contrast(np.asarray(square, dtype=np.float32))[None]


def whole_slice(grey: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return the whole picture as a square, as most other networks are trained: (1, side, side) in 0..1."""
    square = Image.fromarray(grey).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(np.asarray(square, dtype=np.float32)[None] / np.float32(255), dtype=np.float32)


def crop_to_body(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture without its frame and dark border, or unchanged where no body is found."""
    rows, columns = body_box(grey)
    return np.ascontiguousarray(grey[rows, columns])


def body_box(grey: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns of the picture that the network sees: without frames of any colour, then the body."""
    framed_rows, framed_columns = without_frame(grey)
    inner = grey[framed_rows, framed_columns]
    bright = inner > BODY_GREY
    rows = np.flatnonzero(bright.mean(axis=1) > BODY_SHARE)
    columns = np.flatnonzero(bright.mean(axis=0) > BODY_SHARE)
    if min(rows.size, columns.size) < SMALLEST_BODY:
        return framed_rows, framed_columns
    return _within(framed_rows, rows), _within(framed_columns, columns)


def without_frame(grey: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns left when even rows and columns at the edges are cut, frame within frame.

    A picture of which little would be left stays whole.
    """
    whole = slice(0, grey.shape[0]), slice(0, grey.shape[1])
    rows, columns = whole
    while True:
        part = grey[rows, columns]
        busy = _busy(part), _busy(part.T)
        if min(lines.size for lines in busy) == 0:
            return whole
        inner = _within(rows, busy[0]), _within(columns, busy[1])
        if min(line.stop - line.start for line in inner) < SMALLEST_BODY:
            return whole
        if inner == (rows, columns):
            return inner
        rows, columns = inner


def _busy(part: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the rows whose pixels, a twentieth at each end aside, differ by more than FRAME_SPREAD."""
    ordered = np.sort(part[:, :: max(1, part.shape[1] // FRAME_SAMPLES)], axis=1)
    last, rest = ordered.shape[1] - 1, (ordered.shape[1] - 1) // 20
    return np.flatnonzero(ordered[:, last - rest].astype(int) - ordered[:, rest] > FRAME_SPREAD)


def _within(outer: slice, lines: NDArray[np.intp]) -> slice:
    return slice(outer.start + int(lines[0]), outer.start + int(lines[-1]) + 1)


def stretch_contrast(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map the 1st to 99th percentile to 0..1, clipped; a uniform picture becomes 0."""
    low, high = np.percentile(grey, [DARK_PERCENTILE, BRIGHT_PERCENTILE])
    return np.clip((grey - low) / max(high - low, 1.0), 0, 1).astype(np.float32)
