"""Select the chunks of a PNG file that its pixels depend on; text, profiles and all other chunks are dropped.

PNG specification, section 5: a length, a type, the data, a checksum over the last two. The checksum of a chunk
that is used must be right.
"""

import zlib
from collections.abc import Iterator

from .errors import InvalidImageFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 20_000
MAX_EXIF_BYTES = 64 * 1024
MAX_FRAMES = 2**31
DAMAGED = "The picture is damaged or cut off: save it anew and send the whole file."


def is_png(data: bytes) -> bool:
    return data.startswith(SIGNATURE)


def used_chunks(data: bytes) -> bytes:
    """Return the PNG with only the chunks that decoding needs, and EXIF for its orientation.

    Raises InvalidImageFile with IMAGE_CORRUPT (a wrong checksum, no end, too many chunks), IMAGE_MODE (a PNG for
    iPhones only) or IMAGE_FORMAT (animated).
    """
    kept, kind = [SIGNATURE], b""
    for kind, chunk in _chunks(data):
        _refuse_other_pngs(kind, chunk)
        if not _is_used(kind, chunk):
            continue
        if zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big"):
            kept.append(chunk)
        elif kind != b"eXIf":
            raise InvalidImageFile("IMAGE_CORRUPT", DAMAGED)
    if kind != b"IEND" or kept[1][4:8] != b"IHDR":
        raise InvalidImageFile("IMAGE_CORRUPT", DAMAGED)
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, whole chunk) up to the end chunk, or up to the point where the file is truncated."""
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if at + 12 > len(data) or end > len(data):
            return
        kind = data[at + 4 : at + 8]
        yield kind, data[at:end]
        if kind == b"IEND":
            return
        at = end
    raise InvalidImageFile("IMAGE_CORRUPT", "The picture is cut into too many pieces: save it anew.")


def _is_used(kind: bytes, chunk: bytes) -> bool:
    """Return whether pixels depend on a chunk: critical chunk types begin with a capital letter."""
    is_critical = kind[0] & 0x20 == 0
    return is_critical or kind == b"tRNS" or (kind == b"eXIf" and len(chunk) <= MAX_EXIF_BYTES)


def _refuse_other_pngs(kind: bytes, chunk: bytes) -> None:
    if kind == b"CgBI":
        note = "This is a PNG in the form Apple gives it for iPhones: open it in Preview and export it as PNG."
        raise InvalidImageFile("IMAGE_MODE", note)
    if kind == b"acTL" and 1 < int.from_bytes(chunk[8:12], "big") <= MAX_FRAMES:
        raise InvalidImageFile("IMAGE_FORMAT", "This is an animated PNG: save the one picture you mean as plain PNG.")
