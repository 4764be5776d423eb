"""Read PNG and JPEG slices with Pillow; only a short list of formats and modes is allowed.

One rule covers every mode: transparent parts become black, colour becomes luma (ITU-R 601), 16 bits are reduced to
8 (sixteen_bits.py), and EXIF's orientation is applied. The result is 8-bit grey. Data that no pixel depends on never
reaches Pillow.
"""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import InvalidImageFile
from .file_formats import foreign_format
from .jpeg_pieces import first_picture, is_jpeg
from .png_chunks import DAMAGED, is_png, used_chunks
from .png_rows import is_complete
from .sixteen_bits import FEW_GREYS, is_deep_colour, significant_bits, to_eight_bits
from .text_transfer import TEXT_NOTE, changed_picture

MAX_FILE_BYTES = 20 * 1024**2
MAX_PIXELS = 4096**2
MIN_SIDE = 32
MAX_ASPECT = 4
TOO_LARGE = "A picture may have at most 4096 x 4096 pixels: scale it down, or send one slice."
MODES_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
MODES_16_BIT = ("I;16", "I;16B", "I")
# The transposition for each value of EXIF's Orientation.
ORIENTATION_TAG, UPRIGHT = 0x0112, 1
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A slice as it was read: `grey` is (height, width) uint8.

    is_low_range: whether it came in 16 bits of which it uses a small part.
    is_unseen: whether all of it was transparent, so that it is black.
    """

    grey: NDArray[np.uint8]
    is_low_range: bool = False
    is_unseen: bool = False

    def as_png(self) -> bytes:
        """Return the picture re-encoded as PNG: only the pixels of the sender's file, no metadata."""
        target = io.BytesIO()
        Image.fromarray(self.grey).save(target, format="PNG")
        return target.getvalue()


def read_picture(path: Path | str) -> Picture:
    """Read a slice from an untrusted sender and return it as 8-bit grey.

    Raises InvalidImageFile with FILE_TOO_LARGE, IMAGE_FORMAT, IMAGE_TOO_LARGE, IMAGE_TOO_SMALL, IMAGE_SHAPE,
    IMAGE_MODE or IMAGE_CORRUPT.
    """
    if os.path.getsize(path) > MAX_FILE_BYTES:
        raise InvalidImageFile("FILE_TOO_LARGE", "A picture may have at most 20 MB: scale it down, or save it as JPEG.")
    sent = Path(path).read_bytes()
    data = _picture_alone(sent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with _opened(data) as image:
            _check_size(*image.size)
            if not is_complete(data):
                raise InvalidImageFile("IMAGE_CORRUPT", DAMAGED)
            picture = _picture(_decoded(image), significant_bits(sent))
    if is_deep_colour(sent) and 0 < picture.grey.max() <= FEW_GREYS:
        note = "The colour picture has 16 bits and uses few of them: save it as 16-bit grey, or scale it to 8 bits."
        raise InvalidImageFile("IMAGE_MODE", note)
    return picture


def _picture_alone(data: bytes) -> bytes:
    """Return the file without the data that no pixel depends on. Raises InvalidImageFile."""
    if is_png(data):
        return used_chunks(data)
    if is_jpeg(data):
        return first_picture(data)
    if changed_picture(data):
        raise InvalidImageFile("IMAGE_CORRUPT", f"The picture is damaged. {TEXT_NOTE}")
    raise InvalidImageFile("IMAGE_FORMAT", _other_format(data))


def _other_format(data: bytes) -> str:
    if not data.strip():
        return "Empty file: there is no picture in it; choose it again."
    if foreign := foreign_format(data[:512]):
        return f"This is {foreign.name}, neither a PNG nor a JPEG: {foreign.to_picture}"
    return "The file is neither a PNG nor a JPEG picture: save it as PNG and send that."


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
    except Image.DecompressionBombError as error:
        raise InvalidImageFile("IMAGE_TOO_LARGE", TOO_LARGE) from error
    except Exception as error:  # Pillow passes on any exception of its plugins
        raise InvalidImageFile("IMAGE_CORRUPT", DAMAGED) from error


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise InvalidImageFile(
            "IMAGE_TOO_SMALL", f"A picture needs at least {MIN_SIDE} pixels each way: send a whole slice."
        )
    if width * height > MAX_PIXELS:
        raise InvalidImageFile("IMAGE_TOO_LARGE", TOO_LARGE)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InvalidImageFile(
            "IMAGE_SHAPE", f"No side may be more than {MAX_ASPECT} times the other: send one slice alone."
        )


def _decoded(image: Image.Image) -> Image.Image:
    if image.mode not in (*MODES_8_BIT, *MODES_16_BIT):
        note = "Grey, colour, palette and CMYK pictures can be read, this one not: save it as 8-bit grey PNG."
        raise InvalidImageFile("IMAGE_MODE", note)
    try:
        image.load()
    except Exception as error:  # Pillow passes on any exception of its decoders
        raise InvalidImageFile("IMAGE_CORRUPT", DAMAGED) from error
    turn = TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation; an EXIF block that cannot be read means no rotation."""
    try:
        return int(image.getexif().get(ORIENTATION_TAG, UPRIGHT))
    except Exception:  # noqa: BLE001  Pillow passes on any exception of its EXIF reader
        return UPRIGHT


def _picture(image: Image.Image, bits: int | None) -> Picture:
    """Return the picture as 8-bit grey. bits: how many of 16 the file says it uses, or None."""
    if image.mode in MODES_16_BIT:
        return Picture(*to_eight_bits(np.asarray(image), bits))
    is_unseen = False
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        is_unseen = opaque.getchannel("A").getextrema() == (0, 0)
        black = Image.new("RGBA", opaque.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, opaque).convert("RGB")
    if image.mode in ("P", "PA", "CMYK", "YCbCr"):
        image = image.convert("RGB")
    return Picture(np.asarray(image.convert("L")), is_unseen=is_unseen)
