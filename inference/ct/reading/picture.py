"""PNG and JPEG slices, read by Pillow under a short list of what is allowed.

One rule for every mode: transparent parts are black, colour becomes luma (ITU-R 601), 16 bits become their
upper 8, a camera's rotation mark is obeyed. What comes out is 8-bit grey.
"""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import InvalidImageFile
from .png_rows import is_complete

MAX_FILE_BYTES = 20 * 1024**2
MAX_PIXELS = 4096**2
MIN_SIDE = 32
MAX_ASPECT = 4
# Each costs the decoder time whatever it holds: 5,000 empty scans of 31 bytes kept it busy for a minute.
MAX_JPEG_SCANS = 64
MAX_PNG_CHUNKS = 20_000
# Pillow looks at each of them in Python, twice, and keeps the comments: 3 million made it work for 6 s in 500 MB.
MAX_JPEG_SEGMENTS = 2_000
SEGMENTS_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xDA)}
MODES_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
MODES_16_BIT = ("I;16", "I;16B", "I")


@dataclass(frozen=True, eq=False)
class Picture:
    """A slice as it was read: `grey` is (height, width) uint8."""

    grey: NDArray[np.uint8]

    def as_png(self) -> bytes:
        """Return the picture encoded anew: nothing of the sender's file but its pixels."""
        target = io.BytesIO()
        Image.fromarray(self.grey).save(target, format="PNG")
        return target.getvalue()


def read_picture(path: Path | str) -> Picture:
    """Return a slice somebody sent as 8-bit grey.

    Raises InvalidImageFile with FILE_TOO_LARGE, IMAGE_FORMAT, IMAGE_TOO_LARGE, IMAGE_TOO_SMALL, IMAGE_SHAPE,
    IMAGE_MODE or IMAGE_CORRUPT.
    """
    if os.path.getsize(path) > MAX_FILE_BYTES:
        raise InvalidImageFile("FILE_TOO_LARGE", "A picture may have at most 20 MB.")
    data = Path(path).read_bytes()
    _check_pieces(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with _opened(path) as image:
            _check_size(*image.size)
            _check_sums(image)
            _check_rows(data)
        with _opened(path) as image:
            return Picture(_grey(_decoded(image)))


def _check_pieces(data: bytes) -> None:
    """Refuse what is cut into more pieces than any encoder makes."""
    is_jpeg = data.startswith(b"\xff\xd8")
    too_many_scans = is_jpeg and data.count(b"\xff\xda") > MAX_JPEG_SCANS
    if too_many_scans or _jpeg_segments(data) > MAX_JPEG_SEGMENTS or _png_chunks(data) > MAX_PNG_CHUNKS:
        raise InvalidImageFile("IMAGE_CORRUPT", "The picture is cut into too many pieces; save it anew.")


def _check_rows(data: bytes) -> None:
    if not is_complete(data):
        raise InvalidImageFile("IMAGE_CORRUPT", "The picture is damaged or cut off.")


def _png_chunks(data: bytes) -> int:
    """Return how many chunks follow each other up to the last, counted no further than the limit."""
    count, at = 0, 8 if data.startswith(b"\x89PNG\r\n\x1a\n") else len(data)
    while at < len(data) and count <= MAX_PNG_CHUNKS and data[at + 4 : at + 8] != b"IEND":
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        count += 1
    return count


def _jpeg_segments(data: bytes) -> int:
    """Return how many segments, and bytes between them, come before the first scan, counted up to the limit."""
    count, at = 0, 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 4 <= len(data) and count <= MAX_JPEG_SEGMENTS and data[at : at + 2] != b"\xff\xda":
        at += _segment_bytes(data, at)
        count += 1
    return count


def _segment_bytes(data: bytes, at: int) -> int:
    if data[at] != 0xFF or data[at + 1] == 0xFF:
        return 1
    if data[at + 1] in SEGMENTS_WITHOUT_LENGTH:
        return 2
    return 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))


def _opened(path: Path | str) -> Image.Image:
    try:
        image = Image.open(path, formats=("PNG", "JPEG"))
    except Image.DecompressionBombError as error:
        raise InvalidImageFile("IMAGE_TOO_LARGE", "A picture may have at most 4096 x 4096 pixels.") from error
    except UnidentifiedImageError as error:
        raise InvalidImageFile("IMAGE_FORMAT", "The file is neither a PNG nor a JPEG picture.") from error
    except Exception as error:  # Pillow raises whatever its plugins raise
        raise InvalidImageFile("IMAGE_CORRUPT", "The picture is damaged.") from error
    if getattr(image, "n_frames", 1) != 1:
        image.close()
        raise InvalidImageFile("IMAGE_FORMAT", "The file holds more than one picture.")
    return image


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise InvalidImageFile("IMAGE_TOO_SMALL", f"A picture needs at least {MIN_SIDE} pixels each way.")
    if width * height > MAX_PIXELS:
        raise InvalidImageFile("IMAGE_TOO_LARGE", "A picture may have at most 4096 x 4096 pixels.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InvalidImageFile("IMAGE_SHAPE", f"No side may be more than {MAX_ASPECT} times the other.")


def _check_sums(image: Image.Image) -> None:
    """Check the CRC of every PNG chunk, which decoding skips; the image is of no use afterwards."""
    try:
        image.verify()
    except Exception as error:  # Pillow raises whatever its plugins raise
        raise InvalidImageFile("IMAGE_CORRUPT", "The picture is damaged or cut off.") from error


def _decoded(image: Image.Image) -> Image.Image:
    if image.mode not in (*MODES_8_BIT, *MODES_16_BIT):
        raise InvalidImageFile("IMAGE_MODE", "Grey, colour, palette and CMYK pictures can be read, this one not.")
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow raises whatever its decoders raise
        raise InvalidImageFile("IMAGE_CORRUPT", "The picture is damaged or cut off.") from error


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in MODES_16_BIT:
        return (np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        black = Image.new("RGBA", opaque.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, opaque).convert("RGB")
    if image.mode in ("P", "PA", "CMYK", "YCbCr"):
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))
