"""Headers in other units than millimetres: each is refused, and what scanners and programs really write is not."""

import numpy as np
import pytest

from inference.ct.reading.errors import InvalidImageFile
from inference.ct.units import refuse_other_units
from inference.ct.volume import CTVolume

PIXELS = [(0.3, 0.3, 0.3), (0.703125, 0.703125, 2.5), (0.976, 0.976, 10.0), (2.5, 0.9, 0.9), (1.5, 1.5, 1.5)]


def grid(spacing_xyz_mm):
    return CTVolume.at(np.zeros((4, 5, 6), np.int16), spacing_xyz_mm).grid


@pytest.mark.parametrize("spacing", [*PIXELS, (0.1, 0.1, 0.1), (5.0, 5.0, 5.0), (0.7, 0.7, 20.0)])
def test_what_is_in_millimetres_is_taken(spacing):
    refuse_other_units(grid(spacing))


@pytest.mark.parametrize("spacing", PIXELS[1:3])
@pytest.mark.parametrize(("unit", "word"), [(0.1, "finer"), (0.001, "finer"), (1000, "coarser")])
def test_other_units_are_named_however_the_axes_lie(spacing, unit, word):
    """Centimetres, metres and micrometres; a header reaches from 0.001 to 1000."""
    scaled = np.clip(np.array(spacing) * unit, 0.001, 1000)
    for turn in range(3):
        with pytest.raises(InvalidImageFile, match=f"mm, {word} than in any CT of a chest: write ElementSpacing") as no:
            refuse_other_units(grid(tuple(np.roll(scaled, turn))))
        assert no.value.code == "HEADER_GEOMETRY"
