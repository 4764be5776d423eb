"""Check that a PNG holds all the rows it declares: decoders silently fill missing rows with black."""

import zlib
from collections.abc import Iterator

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: first column, first row, column step, row step of each pass (PNG specification, section 8.2).
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
STEP_BYTES = 2**20


def is_complete(data: bytes) -> bool:
    """Return whether the pixel data of a PNG inflates to every row; True for a file that is not a PNG.

    data: the whole file, whose size in pixels has been checked. Memory use stays at a megabyte.
    """
    if data[12:16] != b"IHDR" or data[25] not in CHANNELS:
        return True
    return _inflates_to(_pixel_chunks(data), row_bytes(data))


def row_bytes(data: bytes) -> int:
    """Return the total bytes of all filtered rows of a PNG, each with its filter byte."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * CHANNELS[data[25]]
    passes = ADAM7 if data[28] else ((0, 0, 1, 1),)
    return sum(_pass_bytes(width, height, bits, *item) for item in passes)


def _pass_bytes(width: int, height: int, bits: int, x: int, y: int, step_x: int, step_y: int) -> int:
    columns, rows = -((x - width) // step_x), -((y - height) // step_y)
    return rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0


def _pixel_chunks(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += 12 + length


def _inflates_to(chunks: Iterator[bytes], wanted: int) -> bool:
    inflater, found = zlib.decompressobj(), 0
    try:
        for chunk in chunks:
            rest = chunk
            while rest and found < wanted:
                found += len(inflater.decompress(rest, STEP_BYTES))
                rest = inflater.unconsumed_tail
        while found < wanted and (more := inflater.decompress(b"", STEP_BYTES)):
            found += len(more)
    except zlib.error:
        return False
    return found >= wanted
