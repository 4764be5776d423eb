"""Parse and check the header of a MetaImage file.

The rules are stricter than ITK's on purpose: ITK follows paths in headers, takes the last of repeated keys and trusts
the sizes. Every field that is used to read a scan is checked; header_lines.py ignores the others.
"""

import re
from dataclasses import dataclass

import numpy as np

from inference.ct.volume import Grid

from .errors import InvalidImageFile
from .header_lines import MAX_HEADER_BYTES, flag, split_fields

__all__ = ["MAX_HEADER_BYTES", "NUMBER_TYPES", "SAME_TYPES", "Header", "parse_header", "split_fields"]

MAX_SIDE = 4096
MAX_PIXEL_BYTES = 1024**3
MAX_OFFSET_MM = 1e6
SPACING_RANGE_MM = (1e-3, 1e3)
ORTHONORMAL_TOLERANCE = 1e-3

NUMBER_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
# MetaIO defines a long as 32 bits on every machine.
SAME_TYPES = {"MET_LONG": "MET_INT", "MET_ULONG": "MET_UINT"}
INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
REAL = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?\Z")
# The named file is never opened; the text only has to be a file name: no path, no pattern, no control character.
FILE_NAME = re.compile(r"(\./|\.\\)?[^./\\%\x00-\x1f\x7f:][^/\\%\x00-\x1f\x7f:]{0,254}\Z")
PATTERN = re.compile(r"%[0-9]*d")  # of the C language, such as slice%03d.raw 1 60 1
LOCAL = ("LOCAL", "Local", "local")  # as MetaIO spells it


@dataclass(frozen=True, eq=False)
class Header:
    """The values of a checked header.

    dtype: number type in the byte order of the file.
    data_start_bytes: where the pixels begin in the file itself; None when they are in a separate file.
    compressed_bytes: declared size of the zlib stream, or None.
    """

    grid: Grid
    dtype: np.dtype[np.generic]
    is_compressed: bool
    compressed_bytes: int | None
    data_start_bytes: int | None

    @property
    def pixel_bytes(self) -> int:
        nz, ny, nx = self.grid.shape_zyx
        return nz * ny * nx * self.dtype.itemsize


def parse_header(head: bytes) -> Header:
    """Return the checked header at the start of a file.

    head: the first MAX_HEADER_BYTES of it (or all, if shorter).
    Raises InvalidImageFile with HEADER_FORMAT, HEADER_DATA_FILE, HEADER_DIMS, HEADER_TYPE, HEADER_CHANNELS,
    HEADER_GEOMETRY or IMAGE_TOO_LARGE.
    """
    fields, header_bytes = split_fields(head)
    is_local = _data_is_local(fields["ElementDataFile"])
    _check_object(fields)
    shape_zyx = _shape_zyx(fields)
    dtype = _number_type(fields)
    is_compressed = _flag(fields, "CompressedData", default=False)
    header = Header(
        grid=_grid(fields, shape_zyx),
        dtype=dtype,
        is_compressed=is_compressed,
        compressed_bytes=_compressed_bytes(fields) if is_compressed else None,
        data_start_bytes=header_bytes if is_local else None,
    )
    if header.pixel_bytes > MAX_PIXEL_BYTES:
        raise InvalidImageFile(
            "IMAGE_TOO_LARGE", "The scan holds more than 1 GiB of voxels: crop it, or save it as MET_SHORT."
        )
    return header


def _data_is_local(data_file: str) -> bool:
    if data_file in LOCAL:
        return True
    if data_file.startswith("LIST"):  # ITK compares no more than these four letters
        note = "ElementDataFile = LIST means slices in files of their own: save the scan as one .mha."
        raise InvalidImageFile("HEADER_DATA_FILE", note)
    if PATTERN.search(data_file):
        note = "ElementDataFile names a pattern, which means slices in files of their own: save the scan as one .mha."
        raise InvalidImageFile("HEADER_DATA_FILE", note)
    if not FILE_NAME.match(data_file):
        note = "ElementDataFile must be LOCAL, or in a .mhd the plain name of its data file, without folders."
        raise InvalidImageFile("HEADER_DATA_FILE", note)
    return False


def _check_object(fields: dict[str, str]) -> None:
    if fields.get("ObjectType", "Image") != "Image":
        raise InvalidImageFile(
            "HEADER_FORMAT", "The file holds another object than an image: save it as ObjectType = Image."
        )
    if not re.fullmatch("[+-]?0+", fields.get("HeaderSize", "0")):
        note = "HeaderSize is not supported: rewrite the scan as .mha, whose voxels follow the header directly."
        raise InvalidImageFile("HEADER_FORMAT", note)
    if not _flag(fields, "BinaryData", default=True):
        note = "The voxels are written as text: write them with BinaryData = True."
        raise InvalidImageFile("HEADER_FORMAT", note)


def _shape_zyx(fields: dict[str, str]) -> tuple[int, int, int]:
    sizes = fields.get("DimSize", "").split()
    if fields.get("NDims") != "3":
        note = "A CT volume has NDims = 3: send one volume, not a single slice or a series."
        how = " Of four dimensions one volume is cut out in SimpleITK by image[:, :, :, 0]."
        raise InvalidImageFile("HEADER_DIMS", note + (how if fields.get("NDims") == "4" else ""))
    valid = len(sizes) == 3 and all(INTEGER.match(size) for size in sizes)
    if not valid or not all(1 <= int(size) <= MAX_SIDE for size in sizes):
        raise InvalidImageFile("HEADER_DIMS", f"DimSize needs three whole numbers from 1 to {MAX_SIDE}, as x, y, z.")
    nx, ny, nz = map(int, sizes)
    return nz, ny, nx


def _number_type(fields: dict[str, str]) -> np.dtype[np.generic]:
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise InvalidImageFile("HEADER_CHANNELS", "A CT has one channel: save it with ElementNumberOfChannels = 1.")
    name = fields.get("ElementType", "")
    code = NUMBER_TYPES.get(SAME_TYPES.get(name, name))
    if code is None:
        names = ", ".join(NUMBER_TYPES)
        raise InvalidImageFile(
            "HEADER_TYPE", f"ElementType must be one of {names}: convert the voxels, best to MET_SHORT."
        )
    slope = _reals(fields, "ElementToIntensityFunctionSlope", 1, "1")
    shift = _reals(fields, "ElementToIntensityFunctionOffset", 1, "0")
    if slope[0] != 1 or shift[0] != 0:
        raise InvalidImageFile(
            "HEADER_TYPE",
            "Voxels must be Hounsfield units: apply ElementToIntensityFunction to them, and leave its lines out.",
        )
    big_endian = _flag(fields, "BinaryDataByteOrderMSB", default=False)
    return np.dtype(code).newbyteorder(">" if big_endian else "<")


def _grid(fields: dict[str, str], shape_zyx: tuple[int, int, int]) -> Grid:
    # As in ITK, voxels without a given distance are as far apart as their size.
    if "ElementSpacing" not in fields and "ElementSize" not in fields:
        raise InvalidImageFile("HEADER_GEOMETRY", "The header has no ElementSpacing: add it, in millimetres as x y z.")
    spacing = _reals(fields, "ElementSpacing" if "ElementSpacing" in fields else "ElementSize", 3)
    origin = _reals(fields, "Offset", 3, "0 0 0")
    # The file lists the direction of each image axis in turn; ITK keeps them as columns.
    direction = _reals(fields, "TransformMatrix", 9, "1 0 0 0 1 0 0 0 1").reshape(3, 3).T
    low, high = SPACING_RANGE_MM
    if np.any(spacing < 0):
        note = "ElementSpacing is negative: write it without its sign, and turn those of its axis in TransformMatrix."
        raise InvalidImageFile("HEADER_GEOMETRY", note)
    if not (np.all(spacing >= low) and np.all(spacing <= high)):
        raise InvalidImageFile(
            "HEADER_GEOMETRY",
            f"ElementSpacing must lie between {low} and {high:.0f}, in millimetres.",
        )
    if np.abs(origin).max() > MAX_OFFSET_MM:
        raise InvalidImageFile(
            "HEADER_GEOMETRY", "The scan's origin (Offset) lies more than a kilometre away: give it in millimetres."
        )
    if not _is_rotation(direction):
        note = "TransformMatrix must be a rotation, orthonormal and not sheared: resample a tilted scan first."
        if _is_rotation_but_for_lengths(direction):
            note = "Each axis of TransformMatrix must have length 1: divide it by its own, and give "
            note += "ElementSpacing in mm."
        raise InvalidImageFile("HEADER_GEOMETRY", note)
    return Grid(shape_zyx, spacing, origin, direction)


def _is_rotation(direction: np.ndarray) -> bool:
    """Return whether the columns are orthonormal; the axes may also be mirrored."""
    is_small = np.abs(direction).max() <= 2
    return bool(is_small and np.abs(direction.T @ direction - np.eye(3)).max() <= ORTHONORMAL_TOLERANCE)


def _is_rotation_but_for_lengths(direction: np.ndarray) -> bool:
    """Return whether the columns are orthogonal, of whatever lengths, as in the matrix of a NIfTI file."""
    lengths = np.sqrt((direction.clip(-MAX_OFFSET_MM, MAX_OFFSET_MM) ** 2).sum(axis=0))
    return bool(lengths.all()) and _is_rotation(direction / lengths)


def _reals(fields: dict[str, str], key: str, count: int, default: str = "") -> np.ndarray:
    words = fields.get(key, default).split()
    if len(words) != count or not all(REAL.match(word) for word in words):
        raise InvalidImageFile("HEADER_GEOMETRY", _numbers_needed(key, count))
    values = np.array([float(word) for word in words])
    if not np.isfinite(values).all():
        raise InvalidImageFile("HEADER_GEOMETRY", _numbers_needed(key, count))
    return values


def _numbers_needed(key: str, count: int) -> str:
    if count == 1:
        return f"{key} must be one finite decimal number."
    return f"{key} must be {count} finite decimal numbers with blanks between them."


def _flag(fields: dict[str, str], key: str, *, default: bool) -> bool:
    value = flag(fields.get(key, str(default)))
    if value is None:
        raise InvalidImageFile("HEADER_FORMAT", f"{key} must be True or False.")
    return value


def _compressed_bytes(fields: dict[str, str]) -> int | None:
    word = fields.get("CompressedDataSize")
    if word is None:
        return None
    if not INTEGER.match(word) or int(word) < 0:
        raise InvalidImageFile(
            "DATA_CORRUPT", "CompressedDataSize must be a whole number from 0: correct it, or leave it out."
        )
    return int(word)
