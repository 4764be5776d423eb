"""Each sentence about a file is true of one, and does what it promises: the file is cured by it, and then read.

The last test reads the readers' source, so that a new sentence cannot be written without its file and its cure.
"""

import ast
import gzip
import io
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from inference.ct import reading
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.metaimage import read_volume
from inference.ct.reading.picture import read_picture
from inference.tests.ct.test_foreign_files import FILES, IPHONE, with_frame, with_wrong_header_checksum
from inference.tests.metaimages import mha, saved, voxels, zlib_mha


@dataclass(frozen=True)
class Row:
    """A file that is refused with `words`, and the same file after doing what the sentence says.

    bad, cured: (file, raw file or None).
    """

    code: str
    words: str
    bad: tuple[bytes, bytes | None]
    cured: tuple[bytes, bytes | None] = field(default=(mha(), None))


def scan(code: str, words: str, bad: bytes, cured: bytes | None = None, raw: bytes | None = None) -> Row:
    return Row(code, words, (bad, raw), (mha() if cured is None else cured, None))


def wrong(code: str, words: str, **changes: object) -> Row:
    """Return a header whose changed lines are put right."""
    return Row(code, words, (mha(**changes), None))


PLAIN = voxels().tobytes()
HEADER_ALONE = mha(data=b"", ElementDataFile="scan.raw")
TILTED = "1 0.2 0 0 1 0 0 0 1"
NAN = np.full((3, 4, 5), np.nan, dtype="<f4")
HUGE = {"DimSize": "1024 1024 1024"}
LATE_NDIMS = mha().replace(b"NDims = 3\n", b"").replace(b"ElementType", b"NDims = 3\nElementType")
MOSTLY_ZEROS = zlib_mha(data=zlib.compress(bytes(80 << 20), 9), DimSize="1024 1024 40")

NEGATIVE = mha(ElementSpacing="0.7 0.7 -2.5")
TURNED = mha(TransformMatrix="1 0 0 0 1 0 0 0 -1")
FOUR_DIMENSIONS = mha(
    NDims=4, DimSize="5 4 3 1", ElementSpacing="0.7 0.7 2.5 1", Offset="-10.5 20 -30.25 0", CenterOfRotation="0 0 0 0",
    TransformMatrix="1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",
)  # fmt: skip


def cut_out(content: bytes) -> bytes:
    """Return the first volume of a file of four dimensions as SimpleITK writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = saved(Path(folder), content)
        SimpleITK.WriteImage(SimpleITK.ReadImage(str(path))[:, :, :, 0], str(path))
        return path.read_bytes()


def gone_wrong(position: int) -> bytes:
    stream = bytearray(zlib.compress(PLAIN))
    stream[position] ^= 0x55
    return zlib_mha(data=bytes(stream))


SCANS = [
    scan("HEADER_FORMAT", "Empty file", b""),
    scan("HEADER_FORMAT", "a PNG picture", (FILES / "ramp.png").read_bytes()),
    scan("HEADER_FORMAT", "a JPEG picture", (FILES / "imageio.jpg").read_bytes()),
    scan("HEADER_FORMAT", "a DICOM file", bytes(128) + b"DICM" + bytes(50)),
    scan("HEADER_FORMAT", "an NRRD file", b"NRRD0005\ntype: short\n"),
    scan("HEADER_FORMAT", "a gzip file", gzip.compress(mha())),
    scan("HEADER_FORMAT", "a NumPy array", b"\x93NUMPY\x01\x00" + bytes(50)),
    scan("HEADER_FORMAT", "git lfs pull", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    scan("HEADER_FORMAT", "a web page, not a MetaImage file: send the file itself", b"<!DOCTYPE html><title>x</title>"),
    scan("HEADER_FORMAT", "The header is UTF-16", mha().decode("latin-1").encode("utf-16")),
    scan("HEADER_FORMAT", "its first line must read", b"hello\n" * 9),
    scan("HEADER_FORMAT", "no line ElementDataFile in its first", mha().partition(b"ElementDataFile")[0]),
    wrong("HEADER_FORMAT", "BinaryDataByteOrderMSB and ElementByteOrderMSB with", ElementByteOrderMSB="True"),
    scan("HEADER_FORMAT", "ElementType twice", mha().replace(b"ElementType", b"ElementType = MET_INT\nElementType")),
    wrong("HEADER_FORMAT", "NDims holds other characters", NDims="3\xa0"),
    wrong("HEADER_FORMAT", "another object", ObjectType="Scene"),
    Row("HEADER_FORMAT", "HeaderSize is not supported", (HEADER_ALONE.replace(b"DimSize", b"HeaderSize = -1\nDimSize"),
                                                         bytes(128) + PLAIN)),
    wrong("HEADER_FORMAT", "written as text", BinaryData="False"),
    wrong("HEADER_FORMAT", "CompressedData must be True or False", CompressedData="gzip"),
    Row("HEADER_FORMAT", "The .mhd is longer than 64 KiB", (HEADER_ALONE + PLAIN * 600, PLAIN), (HEADER_ALONE, PLAIN)),
    wrong("HEADER_DATA_FILE", "slices in files of their own", ElementDataFile="LIST 2D"),
    wrong("HEADER_DATA_FILE", "a pattern, which means slices in files", ElementDataFile="slice%03d.raw 1 3 1"),
    Row("HEADER_DATA_FILE", "without folders", (mha(data=b"", ElementDataFile="raw/scan.raw"), PLAIN),
        (HEADER_ALONE, PLAIN)),
    scan("HEADER_DIMS", "before NDims", LATE_NDIMS),
    wrong("HEADER_DIMS", "NDims = 3: send one volume", NDims="4", DimSize="5 4 3 1"),
    scan("HEADER_DIMS", "cut out in SimpleITK by image[:, :, :, 0]", FOUR_DIMENSIONS, cut_out(FOUR_DIMENSIONS)),
    wrong("HEADER_DIMS", "three whole numbers", DimSize="5.0 4.0 3.0"),
    wrong("HEADER_CHANNELS", "one channel", ElementNumberOfChannels="3"),
    scan("HEADER_TYPE", "best to MET_SHORT", mha(data=voxels("<i8").tobytes(), ElementType="MET_LONG_LONG")),
    wrong("HEADER_TYPE", "Hounsfield units", ElementToIntensityFunctionOffset="-1024"),
    wrong("HEADER_GEOMETRY", "has no ElementSpacing: add it", ElementSpacing=None),
    wrong("HEADER_GEOMETRY", "ElementSpacing must lie between", ElementSpacing="0 0 0"),
    scan("HEADER_GEOMETRY", "turn those of its axis in TransformMatrix", NEGATIVE, TURNED),
    wrong("HEADER_GEOMETRY", "more than a kilometre", Offset="-10500000 0 0"),
    wrong("HEADER_GEOMETRY", "Each axis of TransformMatrix must have", TransformMatrix="0.7 0 0 0 0.7 0 0 0 2.5"),
    wrong("HEADER_GEOMETRY", "resample a tilted scan", TransformMatrix=TILTED),
    wrong("HEADER_GEOMETRY", "ElementSpacing must be 3 finite", ElementSpacing="0,7 0,7 2,5"),
    wrong("HEADER_GEOMETRY", "Slope must be one finite", ElementToIntensityFunctionSlope="one"),
    wrong("IMAGE_TOO_LARGE", "more than 1 GiB", **HUGE),
    scan("IMAGE_TOO_LARGE", "send it uncompressed", MOSTLY_ZEROS, mha(data=bytes(80 << 20), DimSize="1024 1024 40")),
    Row("FILE_SET", "and that file along as rawFile", (HEADER_ALONE, None), (HEADER_ALONE, PLAIN)),
    scan("FILE_SET", "send no rawFile", mha(), raw=PLAIN),
    scan("DATA_LENGTH", "but none follow", mha(data=b"")),
    scan("DATA_LENGTH", "but there are 119: send the whole file", mha()[:-1]),
    scan("DATA_CORRUPT", "An empty line follows the one of ElementDataFile", mha(data=b"\n" + PLAIN)),
    scan("DATA_CORRUPT", "An empty line follows the one of", mha(data=b"\r\n" + PLAIN)),
    scan("DATA_CORRUPT", "An empty line follows", mha(data=b"\n" + zlib.compress(PLAIN), CompressedData=True)),
    scan("DATA_LENGTH", "but there are 360: correct the header", mha(data=PLAIN * 3)),
    scan("DATA_LENGTH", "but there are 240, 4 bytes a voxel: correct ElementType", mha(data=PLAIN * 2)),
    scan("DATA_LENGTH", "which are compressed: write CompressedData = True", mha(data=zlib.compress(PLAIN)),
         zlib_mha(CompressedDataSize=None)),
    scan("DATA_LENGTH", "read or sent as text: open it as binary", mha(data="\x18\xfc".encode() * 60)),
    scan("DATA_CORRUPT", "CompressedDataSize must be a whole", zlib_mha(CompressedDataSize="9e9"),
         zlib_mha(CompressedDataSize=None)),
    scan("DATA_CORRUPT", "CompressedDataSize does not match", zlib_mha(CompressedDataSize=5), zlib_mha()),
    scan("DATA_CORRUPT", "end too early", zlib_mha(CompressedDataSize=None)[:-20], zlib_mha()),
    scan("DATA_CORRUPT", "damaged, or not a zlib stream", gone_wrong(0), zlib_mha()),
    scan("DATA_CORRUPT", "fewer than DimSize", zlib_mha(DimSize="5 4 4"), zlib_mha()),
    scan("DATA_CORRUPT", "more than DimSize", zlib_mha(DimSize="5 4 2"), zlib_mha()),
    scan("DATA_CORRUPT", "bytes after the compressed", zlib_mha(CompressedDataSize=None) + b"x", zlib_mha()),
    scan("DATA_NOT_FINITE", "such as with -1024", mha(NAN), mha(np.nan_to_num(NAN, nan=-1024))),
]  # fmt: skip


def picture(size: tuple[int, int] = (80, 60), kind: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    noise = Image.effect_noise((80, 60), 90)  # repeated: 18 million pixels of their own would take seconds
    noise.resize(size, Image.Resampling.NEAREST).save(target, format=kind, **options)
    return target.getvalue()


def shown(code: str, words: str, bad: bytes, cured: bytes | None = None) -> Row:
    return Row(code, words, (bad, None), (picture() if cured is None else cured, None))


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("slice.png", content)
    return target.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deep(rows: np.ndarray, colour: int) -> bytes:
    """Return a PNG of 16 bits. rows: (height, width) or (height, width, channels). colour: 0 grey, 2 RGB."""
    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


HU = np.random.default_rng(0).integers(-1000, 400, (60, 80))
TWELVE_BITS = FILES / "case-20-12-bit.jpg"
FLOAT_TIFF = picture(kind="TIFF")
ANIMATED = picture(save_all=True, append_images=[Image.effect_noise((80, 60), 50)])
PICTURES = [
    shown("IMAGE_FORMAT", "Empty file", b""),
    shown("IMAGE_FORMAT", "a TIFF picture, neither a PNG nor a JPEG: save it as PNG", FLOAT_TIFF),
    shown("IMAGE_FORMAT", "this address takes one slice", mha()),
    shown("IMAGE_FORMAT", "unpack it", zipped(picture())),
    shown("IMAGE_FORMAT", "a PDF, neither a PNG nor a JPEG: save the picture in it", b"%PDF-1.7\n"),
    shown("IMAGE_FORMAT", "run git lfs pull and send it", b"version https://git-lfs.github.com/spec/v1\n"),
    shown("IMAGE_FORMAT", "neither a PNG nor a JPEG picture: save it as PNG", b"hello, this is a picture"),
    shown("IMAGE_FORMAT", "animated PNG", ANIMATED),
    shown("IMAGE_MODE", "JPEG of 12 bits a sample", TWELVE_BITS.read_bytes(), picture(kind="JPEG")),
    shown("IMAGE_MODE", "JPEG-LS", with_frame(0xF7), picture(kind="JPEG")),
    shown("IMAGE_MODE", "hierarchical", with_frame(0xC5), picture(kind="JPEG")),
    shown("IMAGE_MODE", "open it in Preview", IPHONE),
    shown("IMAGE_MODE", "apply a window, and save the slice as 8-bit PNG", deep(HU + 32768, 0)),
    shown("IMAGE_MODE", "save it as 16-bit grey, or scale it", deep(np.stack([HU + 1000] * 3, -1), 2),
          deep(HU + 1000, 0)),
    shown("IMAGE_CORRUPT", "damaged or cut off", with_wrong_header_checksum()),
    shown("IMAGE_CORRUPT", "damaged or cut off", picture(kind="JPEG")[:-700], picture(kind="JPEG")),
    shown("IMAGE_CORRUPT", "too many pieces", picture()[:33] + chunk(b"tEXt", b"a\0b") * 20_001 + picture()[33:]),
    shown("IMAGE_CORRUPT", "too many pieces", b"\xff\xd8" + b"\xff\xfe\0\2" * 3000 + picture(kind="JPEG")[2:]),
    shown("IMAGE_TOO_SMALL", "at least 32 pixels", picture((16, 16))),
    shown("IMAGE_TOO_LARGE", "at most 4096 x 4096", picture((4500, 4000)), picture((2250, 2000))),
    shown("IMAGE_SHAPE", "send one slice alone", picture((400, 80))),
    shown("FILE_TOO_LARGE", "at most 20 MB", picture() + bytes(20 << 20)),
]  # fmt: skip


def read(row_file: tuple[bytes, bytes | None], folder: Path, is_scan: bool) -> object:
    content, raw = row_file
    (folder / "file").write_bytes(content)
    if raw is not None:
        (folder / "raw").write_bytes(raw)
    return (
        read_volume(folder / "file", folder / "raw" if raw is not None else None)
        if is_scan
        else read_picture(folder / "file")
    )


def note_of(row: Row, folder: Path) -> str:
    with pytest.raises(InvalidImageFile) as refusal:
        read(row.bad, folder, row in SCANS)
    assert refusal.value.code == row.code
    return refusal.value.note


@pytest.mark.parametrize("row", [*SCANS, *PICTURES], ids=lambda row: row.words[:40])
def test_a_sentence_is_true_and_its_remedy_works(tmp_path, row):
    note = note_of(row, tmp_path)
    assert row.words in note
    assert note.endswith(".")
    read(row.cured, tmp_path, row in SCANS)


# What no file alone can bring about.
NEEDS_MORE = {
    "The file ended while it was being read: send it again.",
    "Grey, colour, palette and CMYK pictures can be read, this one not: save it as 8-bit grey PNG.",
}


def sentences() -> Iterator[str]:
    """Yield each sentence the readers can say, as a pattern."""
    for path in sorted(Path(reading.__path__[0]).glob("*.py")):
        tree = ast.parse(path.read_text())
        unsaid = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        unsaid |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        yield from (_pattern(node) for node in ast.walk(tree) if id(node) not in unsaid and _pattern(node))


def _pattern(node: ast.AST) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
    is_sentence = texts[-1:] != [None] and bool(texts) and str(texts[-1]).endswith(".")
    return ".*".join("" if text is None else re.escape(text) for text in texts) if is_sentence else ""


@pytest.mark.slow
def test_each_sentence_has_its_file(tmp_path):
    notes = [note_of(row, tmp_path) for row in (*SCANS, *PICTURES)] + list(NEEDS_MORE)
    known = set(sentences())
    assert len(known) > 50
    assert [pattern for pattern in known if not any(re.search(pattern, note) for note in notes)] == []
