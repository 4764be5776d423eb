"""What is wrong with a CT file or a picture reaches the sender as a reason (rows M1 to M18, I1 to I9).

The readers have tests of their own; here each row goes through the API, and nothing of it may stay behind.
"""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from inference.networks.answers import ServiceBusy
from inference.tests.conftest import lesion, picture_file, scan_file
from inference.tests.samples import VOXELS, encoded, mha, picture, zlib_mha

URL = "/api/v1/predict/lesion"
pytestmark = pytest.mark.django_db
POINTERS = ("/etc/passwd", "../x", "/proc/self/environ")
SIZES = ("0 8 8", "-8 8 8", "4294967296 1 1", "8 8", "8 8 8 8", "1e3 8 8")
OTHER_FORMATS = (picture(), b"NRRD0004\n", b"# vtk DataFile\n", b"\x89HDF\r\n\x1a\n", bytes(128) + b"DICM")
NO_PICTURES = (b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>")
HUGE = zlib.compress(bytes(2**26), 9)

ROWS_M = [
    *[("M1", mha(b"", ElementDataFile=name), "HEADER_DATA_FILE") for name in POINTERS],
    *[("M5", mha(NDims=value), "HEADER_DIMS") for value in ("-3", "0", "1", "100", "abc", None)],
    *[("M6", mha(DimSize=value), "HEADER_DIMS") for value in SIZES],
    ("M7", mha(bytes(64), DimSize="4096 4096 4096"), "IMAGE_TOO_LARGE"),
    ("M9 corrupt", zlib_mha(b"\x78\x9c" + b"junk" * 9), "DATA_CORRUPT"),
    ("M9 trailing", zlib_mha(zlib.compress(VOXELS) + b"x"), "DATA_CORRUPT"),
    ("M9 short", zlib_mha(zlib.compress(VOXELS[:-1])), "DATA_CORRUPT"),
    ("M9 long", zlib_mha(zlib.compress(VOXELS + b"x")), "DATA_CORRUPT"),
    ("M9 size", zlib_mha(CompressedDataSize="9000000000"), "DATA_CORRUPT"),
    ("M9 wrong size", zlib_mha(CompressedDataSize="5"), "DATA_CORRUPT"),
    ("M10", zlib_mha(HUGE), "DATA_LENGTH"),
    *[("M11", mha(ElementNumberOfChannels=value), "HEADER_CHANNELS") for value in ("3", "2000000000")],
    *[("M12", mha(ElementType=value), "HEADER_TYPE") for value in ("MET_STRING", "MET_OTHER", "MET_LONG_LONG")],
    *[("M13", mha(ElementSpacing=value), "HEADER_GEOMETRY") for value in ("0 1 1", "nan 1 1", "-1 1 1", "1e300 1 1")],
    *[("M13", mha(TransformMatrix=value), "HEADER_GEOMETRY") for value in ("0 0 0 0 0 0 0 0 0", "1 1 0 0 1 0 0 0 1")],
    *[("M15", mha(HeaderSize=value), "HEADER_FORMAT") for value in ("4", "-1")],
    *[("M16", data, "HEADER_FORMAT") for data in OTHER_FORMATS],
    ("M18 text", mha(BinaryData="False"), "HEADER_FORMAT"),
    ("short", mha(VOXELS[:-1]), "DATA_LENGTH"),
    ("long", mha(VOXELS + b"x"), "DATA_LENGTH"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "data", "reason"), ROWS_M, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_scan_gets_400_with_its_reason(api, folders, row, data, reason):
    answer = api.post(URL, lesion(scan_file(data)))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_FILE_FORMAT")
    assert answer.json()["details"] == {"field": "file", "reason": reason}
    assert "/etc" not in answer.content.decode()
    assert str(folders) not in answer.content.decode()
    assert list((folders / "uploads").iterdir()) == []
    assert api.post(URL, lesion()).status_code == 200


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "/proc/self/environ"])
def test_an_mhd_cannot_point_anywhere(api, name):
    header = scan_file(mha(b"", ElementDataFile=name), "scan.mhd")
    answer = api.post(URL, lesion(header, rawFile=scan_file(VOXELS, "scan.raw")))
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "HEADER_DATA_FILE")


def test_big_endian_is_read(api):
    data = mha(np.arange(512, dtype=">i2").tobytes(), BinaryDataByteOrderMSB="True")
    assert api.post(URL, lesion(scan_file(data))).status_code == 200


def test_a_busy_service_says_when_to_come_back(api, fake):
    fake.failing = ServiceBusy(7)
    answer = api.post("/predict", {"file": picture_file()})
    assert (answer.status_code, answer.json()["error_code"], answer["Retry-After"]) == (503, "TRY_AGAIN", "7")


def header_only(width: int, height: int) -> bytes:
    """Return a PNG whose header promises `width` x `height` and whose data is a single row."""
    data = bytearray(picture((width if width < 9000 else 64, 48)))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def as_kind(kind: str) -> bytes:
    return encoded(Image.new("RGB", (64, 48)), kind)


ROWS_I = [
    *[("I1", data, "IMAGE_FORMAT") for data in NO_PICTURES],
    *[("I1", as_kind(kind), "IMAGE_FORMAT") for kind in ("GIF", "TIFF", "WEBP", "BMP", "EPS")],
    ("I2", header_only(60000, 60000), "IMAGE_TOO_LARGE"),
    ("I2", header_only(13000, 13000), "IMAGE_TOO_LARGE"),
    ("I2", header_only(9400, 9400), "IMAGE_TOO_LARGE"),
    ("I3 truncated", picture((256, 256))[:-300], "IMAGE_CORRUPT"),
    ("I3 crc", picture()[:-14] + b"\0\0" + picture()[-12:], "IMAGE_CORRUPT"),
    ("I8", picture((1, 1)), "IMAGE_TOO_SMALL"),
    ("I8", picture((1, 5000)), "IMAGE_TOO_SMALL"),
    ("I8", picture((40, 500)), "IMAGE_SHAPE"),
]  # fmt: skip


@pytest.mark.parametrize("url", ["/predict", "/api/v1/predict/ct"])
@pytest.mark.parametrize(("row", "data", "reason"), ROWS_I, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_picture_gets_400_with_its_reason(api, folders, url, row, data, reason):
    answer = api.post(url, {"file": picture_file(data)})
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (400, "INVALID_FILE_FORMAT")
    assert body["details"] == {"field": "file", "reason": reason}
    assert body["detail"] == body["message"]
    assert list((folders / "uploads").iterdir()) == []


# Every mode that PNG and JPEG have is read; IMAGE_MODE is there for one that Pillow may add.
MODES = [
    ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"),
    ("L", "JPEG"), ("RGB", "JPEG"), ("CMYK", "JPEG"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "kind"), MODES)
def test_each_mode_is_read(api, mode, kind):
    data = encoded(Image.open(io.BytesIO(picture())).convert(mode), kind)
    assert Image.open(io.BytesIO(data)).mode == mode
    assert api.post("/predict", {"file": picture_file(data)}).status_code == 200


@pytest.mark.slow
def test_twenty_megabytes_pass_and_one_byte_more_does_not(api, settings, folders):
    assert settings.MAX_PICTURE_BYTES == 20 * 2**20
    full = picture() + bytes(settings.MAX_PICTURE_BYTES - len(picture()))
    assert api.post("/predict", {"file": picture_file(full)}).status_code == 200
    answer = api.post("/predict", {"file": picture_file(full + b"x")})
    assert (answer.status_code, answer.json()["error_code"]) == (413, "FILE_TOO_LARGE")
    assert list((folders / "uploads").iterdir()) == []


def test_a_scan_over_the_limit_gets_413(api, settings, folders):
    settings.MAX_VOLUME_BYTES = 1000
    answer = api.post(URL, lesion())
    assert (answer.status_code, answer.json()["error_code"]) == (413, "FILE_TOO_LARGE")
    assert list((folders / "uploads").iterdir()) == []


class Untouchable(io.RawIOBase):
    """A body that nobody may read."""

    def read(self, *args):
        raise AssertionError("the body was read")

    readline = readinto = read


def unread(client, url: str, **extra) -> int:
    """Return the status of a POST of 500 MB whose body must stay unread."""
    return client.generic(
        "POST", url, content_type="multipart/form-data; boundary=x",
        **{"CONTENT_LENGTH": str(500 * 2**20), "wsgi.input": Untouchable(), **extra},
    ).status_code  # fmt: skip


@pytest.mark.parametrize("url", [URL, f"{URL}/batch", "/apitest/v1/predict/lesion"])
def test_the_body_stays_unread_without_a_token(anonymous, url):
    assert unread(anonymous, url) == 401
    assert unread(anonymous, url, HTTP_AUTHORIZATION="Bearer nonsense") == 401


@pytest.mark.parametrize("url", ["/predict", "/feedback", "/api/v1/predict/ct/batch"])
def test_a_body_that_says_it_is_too_large_stays_unread(api, url):
    assert unread(api, url) == 413


def test_the_body_stays_unread_over_the_limit(api, settings):
    framework = settings.REST_FRAMEWORK
    settings.REST_FRAMEWORK = {**framework, "DEFAULT_THROTTLE_RATES": {"lesion": "1/min"}}
    api.post(URL, lesion())
    assert unread(api, URL) == 403
