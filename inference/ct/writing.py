"""Write a CT as .mha without SimpleITK: for phantoms, tests and examples."""

import zlib
from pathlib import Path

import numpy as np

from .reading.header import NUMBER_TYPES
from .volume import CTVolume, Grid

TYPE_NAMES = {code: name for name, code in NUMBER_TYPES.items()}


def write_mha(volume: CTVolume, path: Path | str, *, compressed: bool = True, level: int = 2) -> None:
    """Write the volume as one file, little-endian, header and zlib level as ITK has them."""
    little = volume.hu.astype(volume.hu.dtype.newbyteorder("<"), copy=False)
    data = np.ascontiguousarray(little).tobytes()
    if compressed:
        data = zlib.compress(data, level)
    data_bytes = len(data) if compressed else None
    Path(path).write_bytes(mha_header(volume.grid, TYPE_NAMES[little.dtype.str[1:]], data_bytes).encode() + data)


def mha_header(grid: Grid, element_type: str, compressed_bytes: int | None) -> str:
    """Return the header, its last line included; compressed_bytes: size of the zlib stream, None without one."""
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        f"CompressedData = {compressed_bytes is not None}",
    ]
    if compressed_bytes is not None:
        lines.append(f"CompressedDataSize = {compressed_bytes}")
    lines += [
        f"TransformMatrix = {_words(grid.direction.T.ravel())}",
        f"Offset = {_words(grid.origin_xyz_mm)}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_words(grid.spacing_xyz_mm)}",
        f"DimSize = {_words(grid.shape_zyx[::-1])}",
        f"ElementType = {element_type}",
        "ElementDataFile = LOCAL",
    ]
    return "\n".join(lines) + "\n"


def _words(numbers: np.ndarray | tuple[int, ...]) -> str:
    return " ".join(f"{number:.17g}" for number in numbers)
