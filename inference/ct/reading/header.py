"""The text header of a MetaImage file, parsed by rules of our own.

Stricter than ITK on purpose: ITK follows paths in headers, takes the last of repeated keys and believes
sizes. What the usual writers put there (ITK, SimpleITK, VTK, 3D Slicer, elastix, MeVisLab) is accepted.
"""

import re
from dataclasses import dataclass

import numpy as np

from inference.ct.volume import Grid

from .errors import InvalidImageFile

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADER_LINES = 100
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
SYNONYMS = {
    "Position": "Offset",
    "Origin": "Offset",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
GEOMETRY_KEYS = {
    "Offset": 3,
    "TransformMatrix": 9,
    "CenterOfRotation": 3,
    "ElementSpacing": 3,
    "ElementSize": 3,
}
# Not needed here, but a reader that trips over them may misread what follows: they must be well formed.
OTHER_NUMBER_KEYS = {"Color": 4, "ElementMin": 1, "ElementMax": 1, "ImagePosition": 3, "SequenceID": 3}
NUMBER_KEYS = {**GEOMETRY_KEYS, **OTHER_NUMBER_KEYS}
NEED_NDIMS = {"DimSize", *NUMBER_KEYS}
USED_KEYS = {
    "NDims", "DimSize", "BinaryData", "BinaryDataByteOrderMSB", "CompressedData", "CompressedDataSize",
    "ElementNumberOfChannels", "ElementType", "ElementDataFile", "ObjectType", "HeaderSize",
    "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset", *NUMBER_KEYS, *SYNONYMS,
}  # fmt: skip
IGNORED_KEYS = {
    "AcquisitionDate", "AnatomicalOrientation", "Comment", "CompressionLevel", "DistanceUnits",
    "ElementNBits", "ID", "Modality", "Name", "ObjectSubType",
    "ParentID", "TransformType",
    # What grand-challenge.org keeps of a DICOM series when it converts one.
    "ContentTimes", "Exposures", "PatientAge", "PatientBirthDate", "PatientID", "PatientName", "PatientSex",
    "SeriesDescription", "SeriesInstanceUID", "StudyDate", "StudyDescription", "StudyInstanceUID",
    "WindowCenter", "WindowWidth", "t0", "t1",
}  # fmt: skip
# ITK and SimpleITK write an image's metadata dictionary as further lines; a DICOM tag is such a key, MITK spells
# it DICOM_0008_0060.
METADATA_KEY = re.compile(
    r"(ITK_[A-Za-z0-9_]{1,60}|(DICOM_)?[0-9a-fA-F]{4}[|_][0-9a-fA-F]{4}|MeVis[A-Za-z0-9_]{1,60})\Z"
)
KEY = re.compile(r"[A-Za-z0-9_|]{1,80}\Z")
INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
REAL = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?\Z")
FILE_NAME = re.compile(r"[A-Za-z0-9_\[(][A-Za-z0-9_ .,()\[\]#@&=~+-]{0,254}\Z")


@dataclass(frozen=True, eq=False)
class Header:
    """What a checked header says.

    dtype: number type in the byte order of the file.
    data_start_bytes: where the pixels begin in the file itself; None when they lie in a file beside it.
    compressed_bytes: promised size of the zlib stream, or None.
    """

    grid: Grid
    dtype: np.dtype[np.generic]
    is_compressed: bool
    compressed_bytes: int | None
    data_start_bytes: int | None
    header_bytes: int

    @property
    def pixel_bytes(self) -> int:
        nz, ny, nx = self.grid.shape_zyx
        return nz * ny * nx * self.dtype.itemsize


def parse_header(head: bytes) -> Header:
    """Return the checked header at the start of a file.

    head: the first MAX_HEADER_BYTES of it (or all, if shorter).
    Raises Unreadable with HEADER_FORMAT, HEADER_DATA_FILE, HEADER_DIMS, HEADER_TYPE, HEADER_CHANNELS,
    HEADER_GEOMETRY or IMAGE_TOO_LARGE.
    """
    fields, header_bytes = split_fields(head)
    is_local = _data_is_local(fields["ElementDataFile"])
    _check_object(fields)
    shape_zyx = _shape_zyx(fields)
    dtype = _number_type(fields)
    header = Header(
        grid=_grid(fields, shape_zyx),
        dtype=dtype,
        is_compressed=_flag(fields, "CompressedData", default=False),
        compressed_bytes=_compressed_bytes(fields),
        data_start_bytes=header_bytes if is_local else None,
        header_bytes=header_bytes,
    )
    if header.pixel_bytes > MAX_PIXEL_BYTES:
        raise InvalidImageFile("IMAGE_TOO_LARGE", "The scan holds more than 1 GiB of voxels.")
    return header


def split_fields(head: bytes) -> tuple[dict[str, str], int]:
    """Return the header's fields under their first names, and its length in bytes."""
    fields: dict[str, str] = {}
    position = 0
    for _ in range(MAX_HEADER_LINES):
        end = head.find(b"\n", position, MAX_HEADER_BYTES)
        if end < 0:
            end = _end_of_file(head, position)
        key, value = _field(head[position:end])
        position = min(end + 1, len(head))
        _add_field(fields, key, value)
        if key == "ElementDataFile":
            return fields, position
    raise InvalidImageFile("HEADER_FORMAT", f"The header has more than {MAX_HEADER_LINES} lines.")


def _end_of_file(head: bytes, position: int) -> int:
    """Return where the last line of a .mhd ends that was written without a line feed."""
    if len(head) == MAX_HEADER_BYTES or not head.startswith(b"ElementDataFile", position):
        raise InvalidImageFile("HEADER_FORMAT", "This is no MetaImage file: its header does not end.")
    return len(head)


def _field(line: bytes) -> tuple[str, str]:
    text = line.removesuffix(b"\r").replace(b"\t", b" ")
    if not (text.isascii() and text.decode("ascii").isprintable()):
        raise InvalidImageFile("HEADER_FORMAT", "This is no MetaImage file: its header is not ASCII text.")
    key, equals, value = text.decode("ascii").partition("=")
    if not equals or not KEY.match(key.strip()):
        raise InvalidImageFile(
            "HEADER_FORMAT",
            "This is no MetaImage file: header lines read 'Key = value'.",
        )
    return key.strip(), value.strip()


def _add_field(fields: dict[str, str], key: str, value: str) -> None:
    if key in IGNORED_KEYS or METADATA_KEY.match(key):
        key = f"ignored {key}"
    elif key not in USED_KEYS:
        raise InvalidImageFile("HEADER_FORMAT", "The header holds a key that no CT volume needs.")
    name = SYNONYMS.get(key, key)
    if name in NEED_NDIMS and "NDims" not in fields:
        raise InvalidImageFile("HEADER_DIMS", "NDims must come before what depends on it.")
    if name in fields:
        raise InvalidImageFile("HEADER_FORMAT", "The header says the same thing twice.")
    fields[name] = value


def _data_is_local(data_file: str) -> bool:
    if data_file == "LOCAL":
        return True
    if data_file == "LIST" or not FILE_NAME.match(data_file):
        raise InvalidImageFile(
            "HEADER_DATA_FILE",
            "ElementDataFile must be LOCAL, or in a .mhd a plain file name.",
        )
    return False


def _check_object(fields: dict[str, str]) -> None:
    if fields.get("ObjectType", "Image") != "Image" or "HeaderSize" in fields:
        raise InvalidImageFile("HEADER_FORMAT", "Only ObjectType = Image without HeaderSize can be read.")
    if not _flag(fields, "BinaryData", default=True):
        raise InvalidImageFile("HEADER_FORMAT", "Only BinaryData = True can be read.")


def _shape_zyx(fields: dict[str, str]) -> tuple[int, int, int]:
    sizes = fields.get("DimSize", "").split()
    valid = fields.get("NDims") == "3" and len(sizes) == 3 and all(INTEGER.match(size) for size in sizes)
    if not valid or not all(1 <= int(size) <= MAX_SIDE for size in sizes):
        raise InvalidImageFile("HEADER_DIMS", f"Three dimensions of 1 to {MAX_SIDE} voxels are needed.")
    nx, ny, nz = map(int, sizes)
    return nz, ny, nx


def _number_type(fields: dict[str, str]) -> np.dtype[np.generic]:
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise InvalidImageFile("HEADER_CHANNELS", "A CT has one channel.")
    code = NUMBER_TYPES.get(fields.get("ElementType", ""))
    if code is None:
        raise InvalidImageFile("HEADER_TYPE", f"ElementType must be one of {', '.join(NUMBER_TYPES)}.")
    slope = _reals(fields, "ElementToIntensityFunctionSlope", 1, "1")
    shift = _reals(fields, "ElementToIntensityFunctionOffset", 1, "0")
    if slope[0] != 1 or shift[0] != 0:
        raise InvalidImageFile(
            "HEADER_TYPE",
            "Voxels must be Hounsfield units, without a further intensity function.",
        )
    big_endian = _flag(fields, "BinaryDataByteOrderMSB", default=False)
    return np.dtype(code).newbyteorder(">" if big_endian else "<")


def _grid(fields: dict[str, str], shape_zyx: tuple[int, int, int]) -> Grid:
    for key, count in NUMBER_KEYS.items():
        if key in fields:
            _reals(fields, key, count)
    # As in ITK, voxels whose distance is not given lie one beside the other.
    spacing = _reals(fields, "ElementSpacing" if "ElementSpacing" in fields else "ElementSize", 3)
    origin = _reals(fields, "Offset", 3, "0 0 0")
    # The file lists the direction of each image axis in turn; ITK keeps them as columns.
    direction = _reals(fields, "TransformMatrix", 9, "1 0 0 0 1 0 0 0 1").reshape(3, 3).T
    low, high = SPACING_RANGE_MM
    if not (np.all(spacing >= low) and np.all(spacing <= high)):
        raise InvalidImageFile(
            "HEADER_GEOMETRY",
            f"ElementSpacing must lie between {low} and {high:.0f} mm.",
        )
    if np.abs(origin).max() > MAX_OFFSET_MM:
        raise InvalidImageFile("HEADER_GEOMETRY", "The scan's origin lies more than a kilometre away.")
    if np.abs(direction).max() > 2 or np.abs(direction.T @ direction - np.eye(3)).max() > ORTHONORMAL_TOLERANCE:
        raise InvalidImageFile(
            "HEADER_GEOMETRY",
            "TransformMatrix must be a rotation: orthonormal, not sheared.",
        )
    return Grid(shape_zyx, spacing, origin, direction)


def _reals(fields: dict[str, str], key: str, count: int, default: str = "") -> np.ndarray:
    words = fields.get(key, default).split()
    if len(words) != count or not all(REAL.match(word) for word in words):
        raise InvalidImageFile("HEADER_GEOMETRY", f"{key} needs {count} finite decimal numbers.")
    values = np.array([float(word) for word in words])
    if not np.isfinite(values).all():
        raise InvalidImageFile("HEADER_GEOMETRY", f"{key} needs {count} finite decimal numbers.")
    return values


def _flag(fields: dict[str, str], key: str, *, default: bool) -> bool:
    word = fields.get(key, str(default)).lower()
    if word not in ("true", "false", "1", "0"):
        raise InvalidImageFile("HEADER_FORMAT", f"{key} must be True or False.")
    return word in ("true", "1")


def _compressed_bytes(fields: dict[str, str]) -> int | None:
    word = fields.get("CompressedDataSize")
    if word is None:
        return None
    if not INTEGER.match(word):
        raise InvalidImageFile("DATA_CORRUPT", "CompressedDataSize must be a whole number.")
    return int(word)
