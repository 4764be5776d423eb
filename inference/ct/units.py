"""Recognise a header in other units than millimetres by its voxels, which are finer or coarser than any chest CT's."""

import numpy as np

from .reading.errors import InvalidImageFile
from .volume import Grid

# In plane. Scanners make pixels of 0.2 to 1 mm; volumes for a quick look are made coarser. In centimetres a whole chest
# has 0.05 to 0.1, in metres less than 0.001, in micrometres 500 to 1000.
FINEST_MM, COARSEST_MM = 0.1, 10.0


def refuse_other_units(grid: Grid) -> None:
    """Raise InvalidImageFile HEADER_GEOMETRY if the voxels are finer or coarser in plane than in any CT of a chest.

    The two finest spacings are those in plane, however the axes lie.
    """
    finest, second, _ = np.sort(grid.spacing_xyz_mm)
    if finest >= FINEST_MM and second <= COARSEST_MM:
        return
    size, how = (finest, "finer") if finest < FINEST_MM else (second, "coarser")
    note = (
        f"ElementSpacing says {size:.4g} mm, {how} than in any CT of a chest: write ElementSpacing and Offset in "
        "millimetres and send the coordinate in them, or resample the scan to voxels of 0.5 to 1 mm."
    )
    raise InvalidImageFile("HEADER_GEOMETRY", note)
