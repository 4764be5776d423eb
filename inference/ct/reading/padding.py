"""Filler at the end of a file, which block devices, transfers and editors add and no reader uses."""

MAX_PADDING_BYTES = 64 * 1024
FILLER = b"\0 \t\r\n\x1a"


def is_padding(tail: bytes) -> bool:
    """Return whether the bytes behind the data are filler: few, and nothing but zeros, blanks and line ends.

    Anything else there is a sign of a wrong header, or of a second header before the data.
    """
    return len(tail) <= MAX_PADDING_BYTES and not tail.strip(FILLER)
