"""Extract the first picture of a JPEG file from everything else that cameras and programs add.

ISO/IEC 10918-1, annex B: segments of a marker and a length, scans of coded bytes, an end marker. The segments needed
for decoding are kept, and EXIF for its orientation. Colour profiles, XMP, comments and a second picture (MPF) are
dropped, whatever they contain.
"""

import re
from collections.abc import Iterator

from .errors import InvalidImageFile

# Each scan costs the decoder time, even an empty one: 5,000 empty scans of 31 bytes kept it busy for a minute.
MAX_SCANS = 64
# Before segments were dropped here, 3 million comments made Pillow work for 6 s in 500 MB.
MAX_SEGMENTS = 2_000
START, END, SCAN, TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01
WITHOUT_LENGTH = {0x00, TEMPORARY, *range(0xD0, 0xD9)}
EXIF, ADOBE, COMMENT = 0xE1, 0xEE, 0xFE
DROPPED = {*range(EXIF, 0xF0), COMMENT} - {ADOBE}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
HIERARCHICAL = {0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF}
JPEG_LS = 0xF7
# The end of a scan's coded bytes: any marker except a stuffed zero and the restart markers.
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def is_jpeg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8")


def first_picture(data: bytes) -> bytes:
    """Return only the file's first picture, as a JPEG.

    Raises InvalidImageFile with IMAGE_CORRUPT (too many segments) or IMAGE_MODE (a kind of JPEG that viewers do
    not show).
    """
    kept, scans, has_exif = [data[:2]], 0, False
    for marker, start, end in _segments(data):
        scans += marker == SCAN
        if scans > MAX_SCANS:
            raise too_many_pieces()
        if marker in FRAMES or marker == JPEG_LS:
            _check_frame(marker, data[start + 4] if start + 4 < end else 8)
        is_exif = marker == EXIF and not has_exif and data.startswith(b"Exif\0\0", start + 4)
        has_exif = has_exif or is_exif
        if is_exif or marker not in DROPPED:
            kept.append(data[start:end])
    return b"".join(kept)


def too_many_pieces() -> InvalidImageFile:
    return InvalidImageFile("IMAGE_CORRUPT", "The picture is cut into too many pieces: save it anew.")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment up to the end marker; a scan's segment holds its coded bytes.

    Raises InvalidImageFile past MAX_SEGMENTS, where each byte between segments counts as one.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        if at + 2 > len(data):
            return
        marker = data[at + 1] if data[at] == 0xFF else None
        end = _segment_end(data, at, marker)
        if marker not in (None, 0xFF):
            yield marker, at, end
        if marker == END:
            return
        at = end
    raise too_many_pieces()


def _segment_end(data: bytes, at: int, marker: int | None) -> int:
    if marker is None or marker == 0xFF:  # a stray byte, or one that fills
        return at + 1
    if marker in WITHOUT_LENGTH or marker == END:
        return at + 2
    end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    if marker != SCAN:
        return end
    found = MARKER.search(data, end)
    return found.start() if found else len(data)


def _check_frame(marker: int, bits: int) -> None:
    if marker == JPEG_LS:
        raise InvalidImageFile("IMAGE_MODE", "This is a JPEG-LS picture: save it as an ordinary JPEG or as PNG.")
    if marker in HIERARCHICAL:
        raise InvalidImageFile("IMAGE_MODE", "This is a hierarchical JPEG: save it as an ordinary JPEG or as PNG.")
    if bits != 8:
        raise InvalidImageFile(
            "IMAGE_MODE", f"This is a JPEG of {bits} bits a sample: save it as 8-bit JPEG or as PNG."
        )
