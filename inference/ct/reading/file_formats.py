"""Recognise other file formats by their first bytes (magic numbers), and name the remedy for each."""

import re
from dataclasses import dataclass

TO_MHA = "convert it, for example with SimpleITK: WriteImage(ReadImage(name), 'scan.mha')."
# A DICOM file is one slice of a scan: converted alone it would be read, and judged as all there is.
SERIES_TO_MHA = (
    "convert the folder of all its slices, for example with SimpleITK: "
    "WriteImage(ReadImage(ImageSeriesReader.GetGDCMSeriesFileNames('folder')), 'scan.mha')."
)
TO_PNG = "save it as PNG and send that."
UNPACK = "unpack it and send the file inside."
SEND_FILE = "send the file itself."


@dataclass(frozen=True)
class FileFormat:
    """A file format, named with its article; the remedies complete the sentence after a colon."""

    name: str
    to_scan: str = TO_MHA
    to_picture: str = TO_PNG


PNG = FileFormat("a PNG picture", "send the CT volume as .mha.")
JPEG = FileFormat("a JPEG picture", "send the CT volume as .mha.")
SLICE_AS_PNG = "this address takes one slice: save one slice as PNG and send that."
# (offset, bytes at it, format); the first match counts.
MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"\xff\xd8\xff", JPEG),
    (128, b"DICM", FileFormat("a DICOM file", SERIES_TO_MHA)),
    (0, b"NRRD000", FileFormat("an NRRD file", TO_MHA, SLICE_AS_PNG)),
    (344, b"n+1\0", FileFormat("a NIfTI file", TO_MHA, SLICE_AS_PNG)),
    (0, b"# vtk DataFile", FileFormat("a VTK file", TO_MHA, SLICE_AS_PNG)),
    (0, b"\x89HDF\r\n\x1a\n", FileFormat("an HDF5 file", TO_MHA, SLICE_AS_PNG)),
    (0, b"\x93NUMPY", FileFormat("a NumPy array", "write it as .mha, for example with SimpleITK.", SLICE_AS_PNG)),
    (0, b"ObjectType", FileFormat("a MetaImage scan", TO_MHA, SLICE_AS_PNG)),
    (0, b"GIF8", FileFormat("a GIF picture")),
    (0, b"II*\0", FileFormat("a TIFF picture")),
    (0, b"MM\0*", FileFormat("a TIFF picture")),
    (8, b"WEBP", FileFormat("a WebP picture")),
    (4, b"ftyphei", FileFormat("a HEIC picture")),
    (4, b"ftypmif1", FileFormat("a HEIC picture")),
    (4, b"ftypavif", FileFormat("an AVIF picture")),
    (0, b"\0\0\0\x0cjP  ", FileFormat("a JPEG 2000 picture")),
    (0, b"\xff\x4f\xff\x51", FileFormat("a JPEG 2000 picture")),
    (0, b"%!PS", FileFormat("a PostScript file")),
    (0, b"%PDF", FileFormat("a PDF", "send the CT volume as .mha.", "save the picture in it as PNG and send that.")),
    (0, b"PK\x03\x04", FileFormat("a zip archive", UNPACK, UNPACK)),
    (0, b"\x1f\x8b", FileFormat("a gzip file", UNPACK, UNPACK)),
    (0, b"\xfd7zXZ", FileFormat("an xz file", UNPACK, UNPACK)),
    (0, b"7z\xbc\xaf", FileFormat("a 7z archive", UNPACK, UNPACK)),
    (257, b"ustar", FileFormat("a tar archive", UNPACK, UNPACK)),
)  # fmt: skip
GIT_LFS = b"version https://git-lfs"
POINTER = FileFormat("a Git LFS pointer", "run git lfs pull and send the file itself.", "run git lfs pull and send it.")
BMP = FileFormat("a BMP picture")
SVG = FileFormat("an SVG drawing", "send the CT volume as .mha.")
PAGE = FileFormat("a web page", SEND_FILE, SEND_FILE)
# A data URL, or what begins as PNG, JPEG or a MetaImage header do in base64, in lower case.
BASE64 = re.compile(rb"data:[a-z/.+-]+;base64,|ivborw0kggo|/9j/[24]|t2jqzwn0vhlwz")
DATA_URL = FileFormat("text in base64", SEND_FILE, SEND_FILE)


def foreign_format(head: bytes) -> FileFormat | None:
    """Return the format that the first bytes of a file indicate (512 are enough), or None."""
    for offset, magic, named in MAGIC:
        if head.startswith(magic, offset):
            return named
    if re.match(rb"BM.{4}\0{4}", head, re.DOTALL):
        return BMP
    return _text_format(head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower())


def _text_format(text: bytes) -> FileFormat | None:
    if text.startswith(GIT_LFS):
        return POINTER
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return SVG
    if text.startswith((b"<!doctype html", b"<html")):
        return PAGE
    return DATA_URL if BASE64.match(text) else None
