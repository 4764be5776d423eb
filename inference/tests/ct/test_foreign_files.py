"""Files as everyday tools write them: read, and to the same voxels and pixels. The README there says by what."""

import base64
import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.metaimage import read_volume
from inference.ct.reading.picture import read_picture
from inference.tests.metaimages import fields_of, header_bytes, mha, saved, voxels, zlib_mha

FILES = Path(__file__).parent.parent / "foreign_files"
SCANS = ("simpleitk-metadata.mha", "simpleitk-z.mhd", "itk-compressed.mha", "vtk-0.mhd", "vtk-1.mhd", "medpy.mha")
SCANS += ("plastimatch.mha",)


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_of_another_tool_is_read(name):
    path = FILES / name
    raw = next((path.with_suffix(end) for end in (".raw", ".zraw") if path.with_suffix(end).exists()), None)
    volume = read_volume(path, raw)
    assert np.array_equal(volume.hu, voxels())
    assert np.allclose(volume.grid.origin_xyz_mm, [-10.5, 20, -30.25])
    assert np.allclose(volume.grid.spacing_xyz_mm[2], 2.5)


@pytest.mark.parametrize("value", ["Müller^Jörg", "two\nlines", "a = b", "x" * 5000, "\x01\x02", "日本"])
@pytest.mark.parametrize("compressed", [True, False])
def test_any_metadata_simpleitk_writes_is_passed_over(tmp_path, value, compressed):
    image = SimpleITK.GetImageFromArray(voxels())
    image.SetMetaData("0010|0010", value)
    image.SetMetaData("ITK_FileNotes", value)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"), useCompression=compressed)
    assert np.array_equal(read_volume(tmp_path / "a.mha").hu, voxels())


PICTURES = sorted(path.name for path in FILES.iterdir() if path.suffix in (".png", ".jpg") and "case" not in path.name)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_another_tool_is_read(name):
    ramp = np.asarray(Image.open(FILES / "ramp.png")).astype(int)
    assert np.abs(read_picture(FILES / name).grey - ramp).max() <= (1 if name.endswith("png") else 6)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, format=kind, **options)
    return target.getvalue()


def drawn(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (60, 80), dtype=np.uint8))


def test_the_first_picture_of_a_camera_file_is_read():
    content = (FILES / "case-18-mpo.jpg").read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
        expected = np.asarray(image.convert("L"))
    assert np.array_equal(read_picture(FILES / "case-18-mpo.jpg").grey, expected)


@pytest.mark.parametrize("second", ["JPEG", "cut", "PNG", "rubbish"])
def test_the_second_picture_of_a_camera_file_is_not_judged(tmp_path, second):
    target = io.BytesIO()
    drawn().save(target, format="MPO", save_all=True, append_images=[drawn(1)])
    first = encoded(drawn())
    tail = {"JPEG": encoded(drawn(2)), "cut": encoded(drawn(2))[:400], "PNG": encoded(drawn(2), "PNG")}
    for content in (target.getvalue(), first + tail.get(second, np.random.default_rng(0).bytes(1 << 20))):
        expected = np.asarray(Image.open(io.BytesIO(first)))
        assert np.array_equal(read_picture(saved(tmp_path, content)).grey, expected)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


NOISE = np.random.default_rng(1).bytes
UNUSED_CHUNKS = {
    "large profile": chunk(b"iCCP", b"icc\0\0" + zlib.compress(NOISE(4 << 20))),
    "large xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * (3 << 20)),
    "compressed text that never ends": chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(50 << 20), 1)),
    "broken text": chunk(b"zTXt", b"note\0\0" + NOISE(100)), "broken profile": chunk(b"iCCP", NOISE(100)),
    "private": chunk(b"prVt", NOISE(100)), "wrong checksum": chunk(b"tEXt", b"a\0b")[:-1] + b"?",
    "exif that cannot be read": chunk(b"eXIf", NOISE(200)), "large exif": chunk(b"eXIf", NOISE(1 << 20)),
    "a thousand texts": chunk(b"tEXt", b"a\0b") * 1000, "one frame": chunk(b"acTL", struct.pack(">II", 1, 0)),
    "odd resolution": chunk(b"pHYs", b"x"), "broken gamma": chunk(b"gAMA", b""),
}  # fmt: skip
UNUSED_SEGMENTS = {
    "large profile": b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 200]) + NOISE(65000)) for n in range(1, 200)),
    "large xmp": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 65000) * 40,
    "broken profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + NOISE(100)), "photoshop": segment(0xED, NOISE(5000)),
    "comments": segment(0xFE, NOISE(60000)) * 20, "exif that cannot be read": segment(0xE1, b"Exif\0\0" + NOISE(900)),
    "exif twice": segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0") * 2,
    "broken mpf": segment(0xE2, b"MPF\0" + NOISE(99)),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSED_CHUNKS)
def test_what_no_pixel_of_a_png_depends_on_is_passed_over(tmp_path, name):
    good = encoded(drawn(), "PNG")
    for at in (33, len(good) - 12):
        content = good[:at] + UNUSED_CHUNKS[name] + good[at:]
        assert np.array_equal(read_picture(saved(tmp_path, content)).grey, np.asarray(drawn()))


@pytest.mark.parametrize("name", UNUSED_SEGMENTS)
def test_what_no_pixel_of_a_jpeg_depends_on_is_passed_over(tmp_path, name):
    good = encoded(drawn())
    content = good[:2] + UNUSED_SEGMENTS[name] + good[2:]
    assert np.array_equal(read_picture(saved(tmp_path, content)).grey, np.asarray(Image.open(io.BytesIO(good))))


def test_an_adobe_mark_still_says_how_colours_are_kept(tmp_path):
    rgb = Image.merge("RGB", [drawn(), drawn(1), drawn(2)])
    content = encoded(rgb, keep_rgb=True, quality=95)
    assert b"Adobe" in content
    expected = Image.open(io.BytesIO(content)).convert("L")
    assert np.array_equal(read_picture(saved(tmp_path, content)).grey, np.asarray(expected))


def with_wrong_header_checksum() -> bytes:
    content = bytearray(encoded(drawn(), "PNG"))
    content[29] ^= 0xFF
    return bytes(content)


def with_sample_bits(bits: int) -> bytes:
    content = bytearray(encoded(drawn()))
    content[content.index(b"\xff\xc0") + 4] = bits
    return bytes(content)


def with_frame(marker: int) -> bytes:
    content = bytearray(encoded(drawn()))
    content[content.index(b"\xff\xc0") + 1] = marker
    return bytes(content)


APNG = {"save_all": True, "append_images": [drawn(1)]}
IPHONE = encoded(drawn(), "PNG")[:8] + chunk(b"CgBI", b"P\0 \2") + encoded(drawn(), "PNG")[8:]
REASONS = [
    ("IMAGE_MODE", "JPEG of 12 bits", (FILES / "case-20-12-bit.jpg").read_bytes()),
    ("IMAGE_MODE", "JPEG of 16 bits", with_sample_bits(16)),
    ("IMAGE_MODE", "hierarchical", with_frame(0xC5)), ("IMAGE_MODE", "JPEG-LS", with_frame(0xF7)),
    ("IMAGE_MODE", "Preview", IPHONE),
    ("IMAGE_FORMAT", "animated PNG", encoded(drawn(), "PNG", **APNG)),
    ("IMAGE_CORRUPT", "damaged", with_wrong_header_checksum()),
    ("IMAGE_CORRUPT", "damaged", encoded(drawn(), "PNG")[:-12]), ("IMAGE_CORRUPT", "damaged", b"\x89PNG\r\n\x1a\n"),
    ("IMAGE_CORRUPT", "damaged", b"\xff\xd8\xff\xe0"),
    ("IMAGE_FORMAT", "Empty", b""), ("IMAGE_FORMAT", "Empty", b"\n"),
    ("IMAGE_FORMAT", "a DICOM file", bytes(128) + b"DICM"), ("IMAGE_FORMAT", "a GIF", encoded(drawn(), "GIF")),
    ("IMAGE_FORMAT", "a TIFF", encoded(drawn(), "TIFF")), ("IMAGE_FORMAT", "a WebP", encoded(drawn(), "WEBP")),
    ("IMAGE_FORMAT", "a BMP", encoded(drawn(), "BMP")), ("IMAGE_FORMAT", "JPEG 2000", encoded(drawn(), "JPEG2000")),
    ("IMAGE_FORMAT", "an SVG", b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("IMAGE_FORMAT", "a PDF", b"%PDF-1.7"), ("IMAGE_FORMAT", "HEIC", b"\0\0\0\x18ftypheic"),
    ("IMAGE_FORMAT", "web page", b"\n<!DOCTYPE html><html>"),
    ("IMAGE_FORMAT", "base64", b"data:image/png;base64,iVBOR"),
    ("IMAGE_FORMAT", "zip archive", b"PK\x03\x04rest"), ("IMAGE_FORMAT", "MetaImage", b"ObjectType = Image\n"),
    ("IMAGE_FORMAT", "Git LFS", b"version https://git-lfs.github.com/spec/v1\n"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "words", "content"), REASONS, ids=[words for _, words, _ in REASONS])
def test_a_picture_that_cannot_be_used_is_called_what_it_is(tmp_path, code, words, content):
    with pytest.raises(InvalidImageFile) as refusal:
        read_picture(saved(tmp_path, content, "slice.png"))
    assert refusal.value.code == code
    assert words in refusal.value.note


def as_text(data: bytes) -> list[bytes]:
    """Return what reading or sending bytes as text makes of them: replacement characters, Latin-1, line ends."""
    return [data.decode("utf-8", "replace").encode(), data.decode("latin-1").encode(), data.replace(b"\n", b"\r\n")]


SCAN = voxels(shape_zyx=(30, 40, 50))


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("write", [mha, zlib_mha])
def test_a_scan_that_was_sent_as_text_is_told_to_go_as_binary(tmp_path, way, write):
    head, body = header_bytes(fields_of(SCAN)), write(SCAN).partition(b"LOCAL\n")
    content = body[0] + body[1] + as_text(body[2])[way]
    assert content.startswith(head[:20])
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, content))
    assert refusal.value.code.startswith("DATA_")
    assert "read or sent as text" in refusal.value.note


@pytest.mark.parametrize("way", range(3))
def test_a_picture_that_was_sent_as_text_is_told_to_go_as_binary(tmp_path, way):
    for kind in ("PNG", "JPEG") if way < 2 else ("PNG",):
        with pytest.raises(InvalidImageFile) as refusal:
            read_picture(saved(tmp_path, as_text(encoded(drawn(), kind))[way], "slice.png"))
        assert (refusal.value.code, "read or sent as text" in refusal.value.note) == ("IMAGE_CORRUPT", True)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_base64_without_a_prefix_is_called_that(tmp_path, kind):
    with pytest.raises(InvalidImageFile, match="text in base64"):
        read_picture(saved(tmp_path, base64.b64encode(encoded(drawn(), kind)), "slice.png"))


def test_a_scan_in_base64_is_called_that(tmp_path):
    with pytest.raises(InvalidImageFile, match="text in base64"):
        read_volume(saved(tmp_path, base64.b64encode(mha())))


@pytest.mark.parametrize("names_size", [True, False])
def test_a_gzip_stream_is_read_as_metaio_reads_it(tmp_path, names_size):
    data = gzip.compress(SCAN.tobytes())
    path = saved(tmp_path, zlib_mha(SCAN, data, **({} if names_size else {"CompressedDataSize": None})))
    assert np.array_equal(read_volume(path).hu, SCAN)
    if names_size:
        assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), SCAN)


@pytest.mark.parametrize("harm", ["flipped", "cut"])
def test_a_damaged_gzip_stream_is_refused(tmp_path, harm):
    data = bytearray(gzip.compress(SCAN.tobytes()))
    data[-8] ^= 1  # its checksum
    content = bytes(data) if harm == "flipped" else bytes(data[:-9])
    with pytest.raises(InvalidImageFile) as refusal:
        read_volume(saved(tmp_path, zlib_mha(SCAN, content)))
    assert refusal.value.code == "DATA_CORRUPT"


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
def test_compressed_voxels_that_the_header_hides_are_told_apart(tmp_path, pack):
    """As `gzip scan.raw` makes them; the remedy makes a file that is read."""
    data = pack(SCAN.tobytes())
    with pytest.raises(InvalidImageFile, match="which are compressed: write CompressedData = True"):
        read_volume(saved(tmp_path, mha(SCAN, data)))
    assert np.array_equal(read_volume(saved(tmp_path, mha(SCAN, data, CompressedData=True))).hu, SCAN)


@pytest.mark.parametrize("said", ["MET_FLOAT", "MET_CHAR", "MET_DOUBLE"])
def test_a_wrong_element_type_is_told_by_the_size(tmp_path, said):
    with pytest.raises(InvalidImageFile, match="2 bytes a voxel: correct ElementType"):
        read_volume(saved(tmp_path, mha(SCAN, ElementType=said)))


def test_voxels_that_are_cut_off_are_still_asked_for_whole(tmp_path):
    with pytest.raises(InvalidImageFile, match="send the whole file"):
        read_volume(saved(tmp_path, mha(SCAN)[:-101]))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_header_in_utf_16_is_called_that(tmp_path, encoding):
    text = header_bytes(fields_of(SCAN, ElementDataFile="a.raw")).decode().encode(encoding)
    with pytest.raises(InvalidImageFile, match="UTF-16"):
        read_volume(saved(tmp_path, text, "a.mhd"), saved(tmp_path, SCAN.tobytes(), "a.raw"))


def test_a_missing_spacing_is_named(tmp_path):
    with pytest.raises(InvalidImageFile, match="has no ElementSpacing: add it"):
        read_volume(saved(tmp_path, mha(ElementSpacing=None)))


def test_voxels_that_begin_as_a_line_end_are_read(tmp_path):
    """10 and 13 are the bytes of line ends; nothing is too much there, or it is the padding of a disk's block."""
    array = np.full_like(voxels(), 10)
    for content in (mha(array), mha(array.astype("u1")), mha(array) + bytes(512 - len(mha(array)) % 512)):
        assert (read_volume(saved(tmp_path, content)).hu == 10).all()
