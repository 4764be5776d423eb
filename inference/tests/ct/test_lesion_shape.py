"""The measures of a lesion: the numbers that the second opinion of the shipped weights was fitted on."""

import numpy as np
import pytest

from inference.ct.lesion_fields import fields_around
from inference.ct.lesion_shape import NAMES, measure
from inference.ct.phantom import make_phantom
from inference.ct.volume import CTVolume

# Measured once in the chest of seed 7 and compared with what was drawn there: a nodule of 17 mm, one of 6.9 mm, and
# what a doubtful point may hit. Each: the point, the measures in the order of NAMES; diameter and share in lung; shift.
KNOWN = {
    "spiculated, from a point beside its middle": (
        (-43.5, 23.0, -22.0),
        [
            20.372, 18.537, 16.909, 18.382, 15.336, 21.262, 19.038, 0.0, 0.0, 0.119, 8.491, 10.121,
            11.828, -10.243, -53.404, 98.422, 1.064, 0.0, 0.054, 476.089, -848.126, 1.0, 0.0, 1.0, 0.083,
            -15.642, -10.395, -154.802, -6.248, -817.496, -210.363, 16.0, 17.488, 16.07, 0.75, 0.0, 0.0,
            0.168, 1.936, -12.217, -430.122,
        ],
        (20.372, 1.0), (-2.0, -0.136, -1.931),
    ),
    "small and round": (
        (-80.4, -21.5, -22.4),
        [
            7.603, 6.253, 4.926, 6.157, 5.886, 6.397, 6.174, 0.0, 0.0, 0.028, 3.008, 3.21, 3.276,
            -19.553, -123.578, 126.12, -12.051, 0.0, 0.146, 561.665, -847.655, 1.0, 0.0, 1.0, 1.0,
            -265.442, -253.979, -804.053, -747.177, -866.273, -857.61, 8.0, 5.004, 4.918, 0.971, 0.0,
            0.0, 0.011, 0.26, -41.997, -434.777,
        ],
        (7.603, 1.0), (0.0, 0.148, -0.214),
    ),
    "a vessel at its fork": (
        (-34.0, 5.0, 0.0),
        [
            12.299, 10.67, 9.016, 10.368, 8.59, 17.78, 10.591, 0.167, 0.0, 0.097, 4.628, 5.613, 12.654,
            25.002, -47.441, 122.219, 36.432, 0.0, 0.072, 457.584, -853.557, 0.875, 0.0, 0.958, 0.75,
            15.619, 32.527, 5.577, 29.694, -588.265, -74.901, 20.0, 10.564, 10.233, 0.803, 0.0, 0.0,
            0.098, 2.542, 4.778, -412.499,
        ],
        (12.299, 0.9167), (2.0, -0.458, -2.5),
    ),
    "the spine, wider than the near field": (
        (3.0, 84.0, -10.0),
        [
            37.6, 37.6, 37.6, 37.6, 37.6, 37.6, 37.6, 0.0, 1.0, 0.0, 18.8, 18.8, 18.8, 453.094, 381.116,
            143.727, 462.432, 0.842, 0.0, 12.453, 42.35, 0.0, 0.0, 0.0, 0.0, 450.712, 454.876, 451.554,
            452.796, 454.343, 456.694, 24.0, 37.6, 37.6, 0.0, 0.0, 0.543, 1.0, 0.566, 450.955, -350.0,
        ],
        (69.874, 0.3333), (0.0, -0.4, -0.4),
    ),
}  # fmt: skip
IN_HU = {
    "core", "mean", "spread", "brightest", "edge", "outside", "z1_low", "z1_high", "z2_low", "z2_high", "z4_low",
    "z4_high", "center", "threshold",
}  # fmt: skip


@pytest.fixture(scope="module")
def chest():
    return make_phantom(7, labels=(True, False, False, False)).volume


@pytest.mark.parametrize("name", KNOWN)
def test_the_measures_of_a_known_chest_are_those_the_weights_were_fitted_on(chest, name):
    """Another number is another input of the model. A voxel that another processor rounds otherwise moves none of them
    by more than a part of one HU."""
    point, measures, (diameter_mm, in_lung), shift = KNOWN[name]
    [fields] = fields_around([point], chest)
    shape = measure(fields)
    for measure_name, found, known in zip(NAMES, shape.values, measures, strict=True):
        assert found == pytest.approx(known, abs=0.3 if measure_name in IN_HU else 0.02), measure_name
    assert (shape.diameter_mm, shape.in_lung) == pytest.approx((diameter_mm, in_lung), abs=0.02)
    assert shape.shift_zyx_mm == pytest.approx(shift, abs=0.02)


def test_the_fields_lie_around_the_point_with_their_own_voxels():
    """Near: 11 x 48 x 48 of 2 x 0.8 x 0.8 mm; wide: 5 x 50 x 50 of 4 x 1.6 x 1.6 mm; both in the scan's middle."""
    z, y, x = np.ogrid[-30:31, -50:51, -50:51]
    slopes, point = (3.0, -2.0, 5.0), (1.5, -0.75, 2.0)
    scan = CTVolume.at(
        (slopes[0] * z + slopes[1] * y + slopes[2] * x).astype(np.int16), (1.0, 1.0, 1.0), (-50, -50, -30)
    )
    [fields] = fields_around([point], scan)
    for field, shape, voxel_mm in (
        (fields.near, (11, 48, 48), (2.0, 0.8, 0.8)),
        (fields.wide, (5, 50, 50), (4.0, 1.6, 1.6)),
    ):
        places = np.indices(shape) - (np.array(shape) - 1).reshape(3, 1, 1, 1) / 2
        known = sum(
            slope * (middle + mm * place)
            for slope, middle, mm, place in zip(slopes, point[::-1], voxel_mm, places, strict=True)
        )
        assert field.shape == shape
        assert field == pytest.approx(known, abs=0.5)  # an output voxel averages several of the scan
