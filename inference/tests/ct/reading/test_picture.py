"""Pictures of slices: what is read, how it becomes grey, what is refused (rows I1 to I9)."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.picture import MAX_FILE_BYTES, read_picture
from inference.tests.metaimages import saved


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, format=kind, **options)
    return target.getvalue()


def ramp(width: int = 64, height: int = 48) -> Image.Image:
    levels = np.linspace(0, 255, width * height).reshape(height, width)
    return Image.fromarray(levels.astype(np.uint8))


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 90), dtype=np.uint8))


def colour(mode: str, value: tuple[int, ...]) -> Image.Image:
    return Image.new(mode, (64, 48), value)


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose header promises a size and whose data holds nothing of it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def with_bad_crc() -> bytes:
    content = bytearray(encoded(ramp()))
    content[content.index(b"IDAT") + 20] ^= 0xFF
    return bytes(content)


def many_scans() -> bytes:
    """A JPEG of 150 KB whose last scan is there 5,000 times: each makes the decoder visit every block."""
    data = encoded(Image.new("L", (4000, 4000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 5000 + data[-2:]


def many_chunks() -> bytes:
    data = encoded(ramp())
    text = struct.pack(">I", 3) + b"tEXta\0b"
    return data[:33] + (text + struct.pack(">I", zlib.crc32(text[4:]))) * 100_000 + data[33:]


def many_segments(between: bytes) -> bytes:
    data = encoded(ramp(), "JPEG")
    return data[:2] + between * 100_000 + data[2:]


def animated() -> bytes:
    return encoded(ramp(), save_all=True, append_images=[ramp().rotate(180)])


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script></svg>'
REFUSED = {
    "empty": ("IMAGE_FORMAT", b""),
    "text": ("IMAGE_FORMAT", b"hello, this is a picture"),
    "svg": ("IMAGE_FORMAT", SVG),
    "gif": ("IMAGE_FORMAT", encoded(ramp(), "GIF")),
    "tiff": ("IMAGE_FORMAT", encoded(ramp(), "TIFF")),
    "webp": ("IMAGE_FORMAT", encoded(ramp(), "WEBP")),
    "bmp": ("IMAGE_FORMAT", encoded(ramp(), "BMP")),
    "eps": ("IMAGE_FORMAT", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n"),
    "animated": ("IMAGE_FORMAT", animated()),
    "header of 60000 x 60000": ("IMAGE_TOO_LARGE", png_of_size(60000, 60000)),
    "header of 13000 x 13000": ("IMAGE_TOO_LARGE", png_of_size(13000, 13000)),
    "header of 9400 x 9400": ("IMAGE_TOO_LARGE", png_of_size(9400, 9400)),
    "header of 4097 x 4096": ("IMAGE_TOO_LARGE", png_of_size(4097, 4096)),
    "cut off png": ("IMAGE_CORRUPT", encoded(noise())[:-3000]),
    "cut off jpeg": ("IMAGE_CORRUPT", encoded(noise(), "JPEG")[:-900]),
    "bad crc": ("IMAGE_CORRUPT", with_bad_crc()),
    "thousands of jpeg scans": ("IMAGE_CORRUPT", many_scans()),
    "thousands of jpeg comments": ("IMAGE_CORRUPT", many_segments(b"\xff\xfe\0\3a")),
    "thousands of bytes between jpeg segments": ("IMAGE_CORRUPT", many_segments(b"a")),
    "thousands of jpeg fill bytes": ("IMAGE_CORRUPT", many_segments(b"\xff")),
    "thousands of png chunks": ("IMAGE_CORRUPT", many_chunks()),
    "no pixels": ("IMAGE_CORRUPT", png_of_size(100, 100)),
    "1 x 1": ("IMAGE_TOO_SMALL", encoded(ramp(1, 1))),
    "1 x 5000": ("IMAGE_TOO_SMALL", encoded(ramp(1, 5000))),
    "40 x 400": ("IMAGE_SHAPE", encoded(ramp(40, 400))),
    "one byte over 20 MB": ("FILE_TOO_LARGE", encoded(ramp()) + bytes(MAX_FILE_BYTES)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unusable_picture_is_refused_with_its_reason(tmp_path, name):
    code, content = REFUSED[name]
    with pytest.raises(InvalidImageFile) as refusal:
        read_picture(saved(tmp_path, content, "slice.png"))
    assert refusal.value.code == code


WHITE_16_BIT = Image.fromarray(np.full((48, 64), 65535, dtype=np.uint16))
MIDDLE_16_BIT = Image.fromarray(np.full((48, 64), 0x8000, dtype=np.uint16))
# Luma after ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
CONVERSIONS = [
    ("L", encoded(colour("L", 77)), 77),
    ("RGB", encoded(colour("RGB", (255, 0, 0))), 76),
    ("RGB", encoded(colour("RGB", (0, 255, 0))), 150),
    ("RGB", encoded(colour("RGB", (90, 90, 90))), 90),
    ("RGBA", encoded(colour("RGBA", (200, 200, 200, 255))), 200),
    ("RGBA", encoded(colour("RGBA", (200, 200, 200, 0))), 0),
    ("RGBA", encoded(colour("RGBA", (200, 200, 200, 128))), 100),
    ("LA", encoded(colour("LA", (200, 0))), 0),
    ("1", encoded(colour("1", 1)), 255),
    ("P", encoded(colour("RGB", (90, 90, 90)).quantize(4)), 90),
    ("I;16", encoded(WHITE_16_BIT), 255),
    ("I;16", encoded(MIDDLE_16_BIT), 128),
    ("CMYK", encoded(colour("CMYK", (0, 0, 0, 255)), "JPEG"), 0),
    ("CMYK", encoded(colour("CMYK", (0, 0, 0, 0)), "JPEG"), 255),
    ("L", encoded(colour("L", 120), "JPEG"), 120),
]


@pytest.mark.parametrize(("mode", "content", "level"), CONVERSIONS)
def test_each_mode_becomes_grey_by_the_documented_rule(tmp_path, mode, content, level):
    assert Image.open(io.BytesIO(content)).mode == mode
    picture = read_picture(saved(tmp_path, content, "slice.png"))
    assert picture.grey.shape == (48, 64)
    assert picture.grey.dtype == np.uint8
    assert np.abs(picture.grey.astype(int) - level).max() <= 1


@pytest.mark.parametrize("options", [{"progressive": True}, {"progressive": True, "quality": 100}, {}])
def test_what_encoders_make_is_few_pieces(tmp_path, options):
    assert read_picture(saved(tmp_path, encoded(noise(), "JPEG", **options), "slice.jpg")).grey.size


def test_the_name_does_not_decide_the_format(tmp_path):
    picture = read_picture(saved(tmp_path, encoded(ramp(), "JPEG", quality=100), "really-a.png"))
    assert np.abs(picture.grey.astype(int) - np.asarray(ramp())).max() <= 2


def test_grey_pixels_come_through_unchanged(tmp_path):
    assert np.array_equal(read_picture(saved(tmp_path, encoded(ramp()))).grey, np.asarray(ramp()))


def test_a_camera_rotation_is_obeyed(tmp_path):
    mark = Image.Exif()
    mark[0x0112] = 6
    picture = read_picture(saved(tmp_path, encoded(ramp(), "JPEG", exif=mark)))
    assert picture.grey.shape == (64, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_as_pillow_turns_it(tmp_path, orientation):
    mark = Image.Exif()
    mark[0x0112] = orientation
    data = encoded(ramp(), "PNG", exif=mark)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(read_picture(saved(tmp_path, data)).grey, np.asarray(upright))


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "RGB", "L", "LA", "RGBA", "1"])
def test_every_mode_gives_the_grey_of_its_colours(tmp_path, mode):
    """CMYK and YCbCr exist in JPEG only; the others are without loss."""
    picture = ramp().convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else ramp().convert(mode)
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    options = {"quality": 100} if kind == "JPEG" else {}
    grey = read_picture(saved(tmp_path, encoded(picture, kind, **options))).grey
    wanted = np.asarray(picture.convert("RGB").convert("L"))
    assert np.abs(grey.astype(int) - wanted.astype(int)).max() <= (3 if kind == "JPEG" else 1)


@pytest.mark.parametrize("side", [(32, 32), (4096, 4096)])
def test_the_smallest_and_largest_sides_are_read(tmp_path, side):
    assert read_picture(saved(tmp_path, encoded(Image.new("L", side, 9)))).grey.shape == side[::-1]


def test_a_clean_copy_keeps_pixels_and_nothing_else(tmp_path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Patient", "a name")
    path = saved(tmp_path, encoded(ramp(), pnginfo=notes, dpi=(300, 300)) + b"trailing secret")
    clean = read_picture(path).as_png()
    assert b"name" not in clean
    assert b"secret" not in clean
    with Image.open(io.BytesIO(clean)) as image:
        assert image.info == {}
        assert np.array_equal(np.asarray(image), np.asarray(ramp()))


def test_a_jpeg_with_a_large_colour_profile_is_read(tmp_path):
    profiled = encoded(ramp(), "JPEG", icc_profile=bytes(3 << 20), comment=b"made here")
    assert read_picture(saved(tmp_path, profiled, "slice.jpg")).grey.shape == np.asarray(ramp()).shape


def test_what_lies_behind_a_png_is_no_piece_of_it(tmp_path):
    """Some programs fill a file up with zeros; they are neither counted nor read as chunks."""
    padded = encoded(ramp()) + bytes(MAX_FILE_BYTES - len(encoded(ramp())))
    assert np.array_equal(read_picture(saved(tmp_path, padded)).grey, np.asarray(ramp()))


@pytest.mark.slow
def test_a_compressed_text_bomb_in_a_png_is_never_inflated(tmp_path):
    bomb = zlib.compress(bytes(200 << 20), 1)
    body = b"note\x00\x00" + bomb
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    good = encoded(ramp())
    path = saved(tmp_path, good[:33] + chunk + good[33:])
    began = time.process_time()
    assert np.array_equal(read_picture(path).grey, np.asarray(ramp()))
    assert time.process_time() - began < 0.5


@pytest.mark.realdata
def test_the_published_slices_are_all_readable(real_data):
    paths = [path for path in sorted((real_data / "slices").rglob("*")) if path.suffix in (".png", ".jpg")]
    assert len(paths) > 600
    for path in paths[::40]:
        assert read_picture(path).grey.std() > 1


def sixteen_bits(values: np.ndarray, **options: object) -> bytes:
    return encoded(Image.fromarray(values.astype(np.uint16)), **options)


def with_significant_bits(png: bytes, bits: int) -> bytes:
    """Return the PNG with a chunk sBIT before its pixels."""
    body = b"sBIT" + bytes([bits])
    at = png.index(b"IDAT") - 4
    return png[:at] + struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body)) + png[at:]


RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


@pytest.mark.parametrize(
    ("png", "brightest", "is_low"),
    [
        pytest.param(sixteen_bits(RAMP * 65535), 255, False, id="the whole range"),
        pytest.param(sixteen_bits(RAMP * 4095), 255, True, id="12 bits at the bottom"),
        pytest.param(sixteen_bits(RAMP * 3000), 255, True, id="scaled to the highest value"),
        pytest.param(with_significant_bits(sixteen_bits(RAMP * 2047), 12), 127, True, id="sBIT says 12 bits"),
        pytest.param(sixteen_bits(RAMP * 200), 200, True, id="8-bit levels stay what they are"),
    ],
)
def test_sixteen_bits_are_scaled_to_what_they_use(tmp_path, png, brightest, is_low):
    picture = read_picture(saved(tmp_path, png, "slice.png"))
    assert picture.grey.max() == brightest
    assert picture.is_low_range == is_low
    assert len(np.unique(picture.grey)) > 100


@pytest.mark.realdata
def test_real_slices_saved_as_0_to_255_in_16_bits_stay_the_same(tmp_path, real_data):
    for number, path in enumerate(sorted((real_data / "slices_other").glob("*/*.jpg"))[::50]):
        grey = read_picture(path).grey
        picture = read_picture(saved(tmp_path, sixteen_bits(grey), f"{number}.png"))
        assert np.array_equal(picture.grey, grey)
        assert picture.is_low_range


HU = (RAMP * 1400 - 1000).astype(np.int32)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (HU + 32768, "with 32768 added"), (np.where(RAMP < 0.1, 0, HU + 32768), "with 32768 added"),
        (HU.astype(np.uint16), "with the negative ones above 32767"),
    ],
)  # fmt: skip
def test_hounsfield_units_in_16_bits_are_not_called_blank(tmp_path, values, told):
    """As DeepLesion's pictures hold them, and as `astype(uint16)` makes them."""
    with pytest.raises(InvalidImageFile, match=told) as refusal:
        read_picture(saved(tmp_path, sixteen_bits(values)))
    assert refusal.value.code == "IMAGE_MODE"


def deep_colour(values: np.ndarray) -> bytes:
    """Return a PNG of 16 bits in three colours, which Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = values.shape
    lines = np.repeat(values.astype(">u2"), 3, axis=1)
    rows = b"".join(b"\0" + line.tobytes() for line in lines)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colour_of_16_bits_is_read_only_where_its_upper_half_tells_it(tmp_path):
    assert read_picture(saved(tmp_path, deep_colour(RAMP * 65535))).grey.max() == 255
    with pytest.raises(InvalidImageFile, match="uses few of them") as refusal:
        read_picture(saved(tmp_path, deep_colour(RAMP * 4095)))
    assert refusal.value.code == "IMAGE_MODE"
