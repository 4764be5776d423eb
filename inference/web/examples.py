"""A synthetic chest phantom for trying the lesion model without a CT."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from inference.ct.phantom import make_phantom
from inference.ct.writing import write_mha

SEED = 7
SHAPE_ZYX = (72, 256, 256)
SPACING_XYZ_MM = (1.25, 1.25, 2.0)


@dataclass(frozen=True)
class Example:
    """The example. mha: the file. point_xyz_mm: its nodule's centre, world mm, LPS. diameter_mm: the nodule's size."""

    mha: bytes
    point_xyz_mm: tuple[float, float, float]
    diameter_mm: float


@cache
def phantom() -> Example:
    """Return the example, which is the same at each call."""
    drawn = make_phantom(SEED, labels=(True,), shape_zyx=SHAPE_ZYX, spacing_xyz_mm=SPACING_XYZ_MM)
    x, y, z = (round(value, 1) for value in drawn.nodules[0].point_xyz_mm)
    with tempfile.NamedTemporaryFile(suffix=".mha") as file:
        write_mha(drawn.volume, file.name, compressed=False)
        mha = Path(file.name).read_bytes()
    return Example(mha, (x, y, z), round(drawn.nodules[0].diameter_mm, 1))


@contextmanager
def phantom_file() -> Iterator[str]:
    """Provide the phantom as a temporary file."""
    with tempfile.NamedTemporaryFile(suffix=".mha") as file:
        file.write(phantom().mha)
        file.flush()
        yield file.name
