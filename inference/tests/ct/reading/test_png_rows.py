"""A PNG whose rows end early is damaged, however good its checksums."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.picture import read_picture
from inference.ct.reading.png_rows import is_complete, row_bytes

NOISE = np.random.default_rng(0).integers(0, 255, (70, 45, 4), dtype=np.uint8)


def encoded(mode: str, **options) -> bytes:
    target = io.BytesIO()
    image = Image.fromarray(NOISE[..., 0].astype(np.uint16)) if mode == "I;16" else Image.fromarray(NOISE).convert(mode)
    image.save(target, format="PNG", **options)
    return target.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def made(rows: int, height: int = 64, width: int = 64, interlace: int = 0) -> bytes:
    """Return a grey PNG that announces `height` rows and holds `rows`, every checksum right."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlace)
    pixels = zlib.compress(b"".join(b"\0" + bytes([200]) * width for _ in range(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 0}])
def test_what_encoders_write_is_complete(mode, options):
    assert is_complete(encoded(mode, **options))


@pytest.mark.parametrize(("rows", "complete"), [(64, True), (65, True), (63, False), (10, False), (0, False)])
def test_missing_rows_are_noticed(rows, complete):
    assert is_complete(made(rows)) is complete


def test_rows_behind_the_end_do_not_count():
    head, end = made(0)[:33], chunk(b"IEND", b"")
    pixels = zlib.compress(
        NOISE[:64, :, 0].repeat(2, axis=1)[:, :65].tobytes()
    )  # each row: a filter byte and 64 pixels
    first, second = chunk(b"IDAT", pixels[:1000]), chunk(b"IDAT", pixels[1000:])
    assert is_complete(head + first + second + end)
    assert not is_complete(head + first + end + second)


def test_such_a_picture_is_refused(tmp_path):
    path = tmp_path / "short.png"
    path.write_bytes(made(10))
    with pytest.raises(InvalidImageFile) as refused:
        read_picture(path)
    assert refused.value.code == "IMAGE_CORRUPT"


@pytest.mark.parametrize(("width", "height", "expected"), [(1, 1, 2), (8, 8, 15 + 64), (5, 3, 7 + 15)])
def test_interlaced_rows_are_counted_by_pass(width, height, expected):
    assert row_bytes(made(0, height, width, interlace=1)) == expected


# Which pass holds each pixel of a block of 8 x 8 (PNG specification, section 8.2).
PASSES = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"]


@pytest.mark.parametrize("height", range(1, 18))
def test_interlaced_rows_of_every_size_are_those_of_the_specification(height):
    """Counted pixel by pixel: each row of a pass is its pixels of a byte each, and a filter byte."""
    for width in range(1, 18):
        rows = [[PASSES[y % 8][x % 8] for x in range(width)] for y in range(height)]
        expected = sum(row.count(number) + 1 for row in rows for number in set(row))
        assert row_bytes(made(0, height, width, interlace=1)) == expected


def test_a_stream_that_breaks_is_not_complete():
    data = made(64)
    at = data.index(b"IDAT") + 12
    assert not is_complete(data[:at] + b"\xff\xff" + data[at + 2 :])


def test_what_is_no_png_is_not_judged():
    assert is_complete(b"\xff\xd8\xff\xe0" + bytes(40))
