"""The limits on the pieces of a JPEG, and what of them is kept."""

import pytest

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.jpeg_pieces import first_picture

START, END, COMMENT, TABLE = b"\xff\xd8", b"\xff\xd9", b"\xff\xfe\0\3a", b"\xff\xdb\0\3q"
SCAN = b"\xff\xda\0\2pixels"


@pytest.mark.parametrize("piece", [COMMENT, b"a", b"\xff"], ids=["segment", "stray byte", "fill byte"])
def test_two_thousand_pieces_are_read_and_no_more(piece):
    """The end marker is a piece too, and a table holds the fill bytes apart from it."""
    assert first_picture(START + piece * 1998 + TABLE + END) == START + TABLE + END
    with pytest.raises(InvalidImageFile, match="IMAGE_CORRUPT"):
        first_picture(START + piece * 1999 + TABLE + END)


def test_sixty_four_scans_are_read_and_no_more():
    assert first_picture(START + SCAN * 64 + END) == START + SCAN * 64 + END
    with pytest.raises(InvalidImageFile, match="IMAGE_CORRUPT"):
        first_picture(START + SCAN * 65 + END)


def test_what_follows_the_end_is_dropped():
    assert first_picture(START + TABLE + END + START + TABLE + END) == START + TABLE + END


@pytest.mark.parametrize("number", range(0xE0, 0xF0))
def test_of_the_application_segments_only_three_are_kept(number):
    """JFIF and Adobe say how colours are coded; the first EXIF may say which way is up."""
    segment = bytes([0xFF, number, 0, 9]) + b"Exif\0\0z"
    kept = segment if number in (0xE0, 0xE1, 0xEE) else b""
    assert first_picture(START + segment + END) == START + kept + END


def test_a_second_exif_segment_is_dropped():
    segment = b"\xff\xe1\0\x09Exif\0\0z"
    assert first_picture(START + segment + segment + END) == START + segment + END
