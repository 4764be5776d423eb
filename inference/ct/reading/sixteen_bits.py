"""Grey pictures of 16 bits as 8: by the bits that the file says it uses, or by its highest value, never blackened."""

import numpy as np
from numpy.typing import NDArray

FULL_BITS, GREY_BITS, HIGHEST_GREY = 16, 8, 255
# A picture whose highest value reaches the upper half of 16 bits uses their range: its upper 8 bits count.
UPPER_HALF = 2**15
GREY, BIT_DEPTH_AT, COLOUR_TYPE_AT = 0, 24, 25


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
    most 255 are taken as 8-bit grey, and others are scaled so that the highest becomes 255.
    """
    picture = np.asarray(values).astype(np.int64).clip(0, 2**FULL_BITS - 1)
    highest = int(picture.max())
    if highest >= UPPER_HALF:
        return (picture >> GREY_BITS).astype(np.uint8), False
    if highest <= HIGHEST_GREY:
        return picture.astype(np.uint8), True
    top = 2**bits - 1 if bits is not None and highest < 2**bits else highest
    return (picture * HIGHEST_GREY // top).astype(np.uint8), True
