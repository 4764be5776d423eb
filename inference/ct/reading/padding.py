"""Padding at the end of a file, which block devices, transfers and editors add and no reader uses."""

MAX_PADDING_BYTES = 64 * 1024
FILLER = b"\0 \t\r\n\x1a"


def is_padding(tail: bytes) -> bool:
    """Return whether the bytes after the data are padding: few, and only zeros, blanks and line ends.

    Any other bytes indicate a wrong header, or a second header before the data.
    """
    return len(tail) <= MAX_PADDING_BYTES and not tail.strip(FILLER)
