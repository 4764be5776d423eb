"""Grey pictures of 16 bits as 8: by the bits that the file says it uses, or by its highest value, never blackened."""

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidImageFile

FULL_BITS, GREY_BITS, HIGHEST_GREY = 16, 8, 255
# A picture whose highest value reaches the upper half of 16 bits uses their range: its upper 8 bits count.
UPPER_HALF = 2**15
# Hounsfield units span less than HU_SPAN; a blank picture spans less than LEAST_SPAN.
LEAST_SPAN, HU_SPAN = 256, 2**13
# The highest grey that a 16-bit colour picture has if it uses 13 bits or fewer: only its upper 8 bits are read.
FEW_GREYS = 31
GREY, BIT_DEPTH_AT, COLOUR_TYPE_AT = 0, 24, 25


def is_deep_colour(png: bytes) -> bool:
    """Return whether a file is a PNG of 16 bits with colours or transparency: only its upper 8 bits are read."""
    return png[12:16] == b"IHDR" and png[BIT_DEPTH_AT] == FULL_BITS and png[COLOUR_TYPE_AT] != GREY


def refuse_hounsfield(picture: NDArray[np.uint16]) -> None:
    """Raise InvalidImageFile if the values are close together in the upper half, or just above and below zero.

    So are Hounsfield units with 32768 added, and their negative numbers as unsigned ones.
    """
    above, signed = picture[picture > 0], picture.view(np.int16)
    for values, how in ((above, "with 32768 added"), (signed, "with the negative ones above 32767")):
        if LEAST_SPAN <= int(values.max()) - int(values.min()) < HU_SPAN:
            note = f"The 16 bits look like Hounsfield units {how}: apply a window, and save the slice as 8-bit PNG."
            raise InvalidImageFile("IMAGE_MODE", note)


def significant_bits(png: bytes) -> int | None:
    """Return how many bits a 16-bit grey PNG says it uses (its chunk sBIT), or None where it does not say.

    Source: PNG specification, third edition, 11.3.2.4.
    """
    if png[12:16] != b"IHDR" or png[BIT_DEPTH_AT] != FULL_BITS or png[COLOUR_TYPE_AT] != GREY:
        return None
    at = 8
    while at + 8 < len(png) and png[at + 4 : at + 8] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"sBIT" and length == 1 and 1 <= png[at + 8] <= FULL_BITS:
            return png[at + 8]
        at += 12 + length
    return None


def to_eight_bits(values: NDArray[np.integer], bits: int | None) -> tuple[NDArray[np.uint8], bool]:
    """Return a picture (height, width) of up to 16 bits as 8-bit grey, and whether it used a small part of its range.

    bits: how many bits the file says it uses; sBIT keeps the used bits at the top, so they then count from there. Some
    writers keep them at the bottom, so a picture that stays below them is scaled to them. Without `bits`, values of at
    most 255 are taken as 8-bit grey, and others are scaled so that the highest becomes 255. Raises
    InvalidImageFile IMAGE_MODE for what are Hounsfield units.
    """
    picture = np.asarray(values).astype(np.int64).clip(0, 2**FULL_BITS - 1)
    highest = int(picture.max())
    if highest >= UPPER_HALF:
        refuse_hounsfield(picture.astype(np.uint16))
        return (picture >> GREY_BITS).astype(np.uint8), False
    if highest <= HIGHEST_GREY:
        return picture.astype(np.uint8), True
    top = 2**bits - 1 if bits is not None and highest < 2**bits else highest
    return (picture * HIGHEST_GREY // top).astype(np.uint8), True
