"""The block of 512 bytes that a tar is made of: whether it is a header, and the numbers in it.

It needs only Python, because the zip that tries an image on a participant's machine carries it.
"""

from submissions.faults import ParticipantError

BLOCK_BYTES = 512
ZERO_BLOCK = bytes(BLOCK_BYTES)


def begins_tar(block: bytes) -> bool:
    """Return whether a block is a tar header, or the zeros that an empty tar begins with."""
    return len(block) == BLOCK_BYTES and (block == ZERO_BLOCK or checksum_holds(block))


def checksum_holds(block: bytes) -> bool:
    """Compare the header's checksum, computed with the checksum field as blanks; old tars sum signed bytes."""
    try:
        expected = header_number(block[148:156])
    except ParticipantError:
        return False
    summed = block[:148] + b" " * 8 + block[156:]
    return expected == sum(summed) or expected == sum(memoryview(summed).cast("b"))


def header_number(field: bytes) -> int:
    """Return the number in a header field: octal text, or GNU's base 256 for larger values.

    Raises ParticipantError (ARCHIVE_CORRUPT) for anything else.
    """
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise ParticipantError("ARCHIVE_CORRUPT", "A member's header holds a number that is none.")
    return int(digits or b"0", 8)
