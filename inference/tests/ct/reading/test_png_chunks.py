"""The chunks of a PNG: which are kept, how many are read, and what is refused."""

import struct
import zlib

import pytest

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.png_chunks import SIGNATURE, used_chunks


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
PIXELS, END = chunk(b"IDAT", zlib.compress(b"\0\7")), chunk(b"IEND")
KEPT = SIGNATURE + HEADER + PIXELS + END


def png(*between: bytes) -> bytes:
    return SIGNATURE + HEADER + b"".join(between) + PIXELS + END


@pytest.mark.parametrize(
    ("frames", "animated"), [(0, False), (1, False), (2, True), (2**31 - 1, True), (2**31, True), (2**31 + 1, False)]
)
def test_more_than_one_frame_is_an_animation(frames, animated):
    """A number beyond 2**31 is no number of frames (PNG specification, 3rd edition, section 7.1)."""
    data = png(chunk(b"acTL", struct.pack(">II", frames, 0)))
    if not animated:
        assert used_chunks(data) == KEPT
        return
    with pytest.raises(InvalidImageFile, match="IMAGE_FORMAT"):
        used_chunks(data)


def test_twenty_thousand_chunks_are_read_and_no_more():
    text = chunk(b"tEXt", b"a\0b")
    assert used_chunks(png(text * 19_997)) == KEPT
    with pytest.raises(InvalidImageFile, match="IMAGE_CORRUPT"):
        used_chunks(png(text * 19_998))


@pytest.mark.parametrize(("size", "is_kept"), [(2**16 - 12, True), (2**16 - 11, False)])
def test_an_exif_chunk_is_kept_up_to_64_kib(size, is_kept):
    exif = chunk(b"eXIf", bytes(size))
    assert used_chunks(png(exif)) == (png(exif) if is_kept else KEPT)


@pytest.mark.parametrize("kind", [b"tEXt", b"iCCP", b"gAMA", b"tIME", b"aaAa"])
def test_what_pixels_do_not_depend_on_is_dropped(kind):
    assert used_chunks(png(chunk(kind, b"x"))) == KEPT


@pytest.mark.parametrize("kind", [b"PLTE", b"tRNS"])
def test_what_pixels_depend_on_is_kept(kind):
    assert used_chunks(png(chunk(kind, b"xyz"))) == png(chunk(kind, b"xyz"))


@pytest.mark.parametrize("cut", range(1, len(PIXELS + END) + 1))
def test_a_picture_without_its_end_is_refused(cut):
    with pytest.raises(InvalidImageFile, match="IMAGE_CORRUPT"):
        used_chunks(png()[:-cut])
