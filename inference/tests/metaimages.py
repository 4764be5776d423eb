"""MetaImage files as bytes, right or wrong in any way a test asks for."""

import zlib
from pathlib import Path

import numpy as np

from inference.ct.reading.header import NUMBER_TYPES

TYPE_NAMES = {code: name for name, code in NUMBER_TYPES.items()}
SHAPE_ZYX = (3, 4, 5)


def voxels(dtype: str = "<i2", shape_zyx: tuple[int, int, int] = SHAPE_ZYX) -> np.ndarray:
    """Return different values in every voxel, negative ones too where the type has them."""
    values = np.arange(np.prod(shape_zyx)).reshape(shape_zyx)
    if np.dtype(dtype).kind != "u":
        values = values - values.size // 2
    return (values % 100 if np.dtype(dtype).itemsize == 1 else values).astype(dtype)


def fields_of(array: np.ndarray, **changes: object) -> dict[str, str]:
    """Return the header ITK would write for `array`, with changed, added or (None) missing fields."""
    nz, ny, nx = array.shape
    fields: dict[str, object] = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": array.dtype.byteorder == ">",
        "CompressedData": False,
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "-10.5 20 -30.25",
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": "0.7 0.7 2.5",
        "DimSize": f"{nx} {ny} {nz}",
        "ElementType": TYPE_NAMES[array.dtype.str[1:]],
    }
    data_file = changes.pop("ElementDataFile", "LOCAL")
    fields.update(changes)
    fields["ElementDataFile"] = data_file
    return {key: str(value) for key, value in fields.items() if value is not None}


def header_bytes(fields: dict[str, str], newline: str = "\n") -> bytes:
    return "".join(f"{key} = {value}{newline}" for key, value in fields.items()).encode("latin-1")


def mha(array: np.ndarray | None = None, data: bytes | None = None, **changes: object) -> bytes:
    """Return a .mha of `array`; data: other bytes in place of its pixels."""
    array = voxels() if array is None else array
    content = array.tobytes() if data is None else data
    return header_bytes(fields_of(array, **changes)) + content


def zlib_mha(array: np.ndarray | None = None, data: bytes | None = None, **changes: object) -> bytes:
    """Return a compressed .mha; data: the compressed bytes, if not those of `array`."""
    array = voxels() if array is None else array
    content = zlib.compress(array.tobytes()) if data is None else data
    named = {"CompressedData": True, "CompressedDataSize": len(content), **changes}
    return header_bytes(fields_of(array, **named)) + content


def saved(folder: Path, content: bytes, name: str = "scan.mha") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
