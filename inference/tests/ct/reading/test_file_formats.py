"""What a file is, told by its first bytes: the marks of each format, from its specification."""

import pytest

from inference.ct.reading.file_formats import foreign_format

HEADS = {
    "a PNG picture": [b"\x89PNG\r\n\x1a\n"],
    "a JPEG picture": [b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1"],
    "a DICOM file": [bytes(128) + b"DICM", b"\xff" * 128 + b"DICM"],
    "an NRRD file": [b"NRRD0004\n", b"NRRD0005\n"],
    "a NIfTI file": [b"\x5c\x01\0\0" + bytes(340) + b"n+1\0"],
    "a VTK file": [b"# vtk DataFile Version 3.0\n"],
    "an HDF5 file": [b"\x89HDF\r\n\x1a\n"],
    "a NumPy array": [b"\x93NUMPY\x01\0"],
    "a MetaImage scan": [b"ObjectType = Image\n"],
    "a GIF picture": [b"GIF87a", b"GIF89a"],
    "a TIFF picture": [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"],
    "a WebP picture": [b"RIFF\x10\0\0\0WEBPVP8 "],
    "a HEIC picture": [b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypmif1"],
    "an AVIF picture": [b"\0\0\0\x1cftypavif"],
    "a JPEG 2000 picture": [b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51\0"],
    "a PostScript file": [b"%!PS-Adobe-3.0"],
    "a PDF": [b"%PDF-1.7"],
    "a zip archive": [b"PK\x03\x04\x14\0"],
    "a gzip file": [b"\x1f\x8b\x08\0"],
    "an xz file": [b"\xfd7zXZ\0"],
    "a 7z archive": [b"7z\xbc\xaf\x27\x1c"],
    "a tar archive": [b"scan.mha" + bytes(249) + b"ustar\x0000"],
    "a BMP picture": [b"BM\x36\x10\0\0\0\0\0\0\x36\0", b"BM\n\n\n\n\0\0\0\0"],
    "a Git LFS pointer": [b"version https://git-lfs.github.com/spec/v1\n"],
    "an SVG drawing": [b"<svg>", b"\xef\xbb\xbf <?xml version='1.0'?>\n<SVG>"],
    "a web page": [b"<!DOCTYPE html>", b"\n <HTML>"],
    "text in base64": [b"data:image/png;base64,iVBOR", b"data:image/svg+xml;base64,PHN2"],
}


@pytest.mark.parametrize(("name", "head"), [(name, head) for name, heads in HEADS.items() for head in heads])
def test_a_format_is_told_by_its_mark(name, head):
    found = foreign_format(head + bytes(100))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("head", [head for heads in HEADS.values() for head in heads])
def test_a_mark_elsewhere_tells_nothing(head):
    """One byte further on, or at the very end of a file, it is no mark; leading blanks of text apart."""
    assert foreign_format(b"x" + head) is None
    assert foreign_format(b"x" * 600 + head) is None


@pytest.mark.parametrize("head", [b"", b"BM", b"BM\x36\x10\0\0\1\0\0\0", b"<?xml version='1.0'?>", b"hello"])
def test_what_has_no_mark_is_not_named(head):
    assert foreign_format(head) is None
