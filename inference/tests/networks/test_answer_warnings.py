"""One table of warnings: what answers may carry, what the docs say, and what applies when."""

import typing

import numpy as np
import pytest

from inference.ct.hounsfield import foreign_scale, share_outside
from inference.ct.lesion_fields import NEAR, fields_around, zoomed
from inference.ct.lesion_shape import measure
from inference.ct.phantom import make_phantom
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.volume import CTVolume
from inference.networks import answer_warnings
from inference.networks.answers import LesionWarning, SliceWarning
from inference.networks.model.lesion_doubts import lesion_warnings
from inference.networks.model.lesion_judge import Judgement
from inference.networks.model.slice_doubts import SliceLimits, refuse_blank, slice_warnings
from inference.tests.network_samples import chest_picture, lung_with, sphere_in_lung

CENTER = (0.0, 0.0, 0.0)
SURE = Judgement(0.5, 0.4, 0.6, 0.05, 8.0, 18.0, 0.1, CENTER)


def test_types_and_docs_name_the_codes_of_the_table(settings):
    assert typing.get_args(LesionWarning) == answer_warnings.LESION_WARNINGS
    assert typing.get_args(SliceWarning) == answer_warnings.SLICE_WARNINGS
    assert set(answer_warnings.WARNINGS) == {*answer_warnings.LESION_WARNINGS, *answer_warnings.SLICE_WARNINGS}
    text = (settings.BASE_DIR / "docs/api.md").read_text()
    assert [code for code in {**answer_warnings.WARNINGS, **answer_warnings.REFUSALS} if f"`{code}`" not in text] == []


@pytest.mark.parametrize(
    ("changes", "volume", "point", "code"),
    [
        ({}, {}, CENTER, None),
        ({"doubt": 0.9}, {}, CENTER, "POINT_NOT_IN_LUNG_LESION"),
        ({"diameter_mm": 30.0}, {}, CENTER, "LARGER_THAN_FIELD"),
        ({"size_mm": 30.0}, {}, CENTER, "LARGER_THAN_FIELD"),
        ({}, {"spacing_xyz_mm": (0.7, 0.7, 5.0)}, CENTER, "THICK_SLICES"),
        ({}, {}, (18.0, 0.0, 0.0), "NEAR_BORDER"),
        ({"reach": 0.21}, {}, CENTER, "UNSTABLE"),
    ],
)
def test_a_lesions_warnings_say_what_applies(changes, volume, point, code):
    judgement = Judgement(**{**vars(SURE), **changes})
    assert lesion_warnings(judgement, 0.7, point, lung_with(8, **volume)) == ([code] if code else [])


def test_a_slices_warnings_say_what_applies():
    limits = SliceLimits(0.5, 0.6)
    assert slice_warnings(0.4, 0.5, limits) == []
    assert slice_warnings(0.6, 0.9, limits) == ["NOT_A_CHEST_CT"]
    assert slice_warnings(0.4, 0.7, limits) == ["UNFAMILIAR_SOURCE"]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_refused(level):
    blank = np.full((60, 60), level, np.uint8)
    blank[30, 30] = 90
    with pytest.raises(InvalidImageFile) as refused:
        refuse_blank(blank)
    assert refused.value.code == "NO_CONTRAST"
    refuse_blank(chest_picture())


CONVERSIONS = {
    "offset": (lambda hu: (hu.astype(np.int32) + 1024).clip(0).astype(np.uint16), "1024"),
    "grey": (lambda hu: ((hu.astype(float) + 1000) / 1400 * 255).clip(0, 255).astype(np.uint8), "8-bit"),
    "unit": (lambda hu: ((hu.astype(float) + 1000) / 1400).clip(0, 1).astype(np.float32), "0 to 1"),
}


@pytest.fixture(scope="module")
def chest():
    return make_phantom(1)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_numbers_that_are_not_hounsfield_units_are_named(chest, name):
    convert, told = CONVERSIONS[name]
    points = [nodule.point_xyz_mm for nodule in chest.nodules]
    volume = CTVolume(convert(chest.volume.hu), chest.volume.grid)
    assert told in foreign_scale(fields_around(points, volume), points, volume)
    assert foreign_scale(fields_around(points, chest.volume), points, chest.volume) is None


def test_an_offset_below_zero_is_noticed_in_a_whole_chest(chest):
    """Air at -24 instead of -1000: no voxel is as low as lung, and the chest is wide enough to hold air."""
    points = [chest.nodules[0].point_xyz_mm]
    volume = CTVolume((chest.volume.hu.astype(np.int32) + 976).astype(np.int16), chest.volume.grid)
    assert "offset" in foreign_scale(fields_around(points, volume), points, volume)


def test_nothing_is_said_of_a_cut_too_small_to_hold_air():
    tissue = np.full((8, 8, 8), 30, np.int16)
    for spacing_mm, is_named in ((1.0, False), (4.0, True)):
        volume = CTVolume.at(tissue, (spacing_mm, spacing_mm, 1.0))
        assert (foreign_scale(fields_around([(3, 3, 3)], volume), [(3, 3, 3)], volume) is not None) == is_named


def test_what_lies_outside_is_a_share_of_the_field():
    volume = lung_with(8)
    assert share_outside(CENTER, volume, 12.8) == 0
    assert share_outside((18.6, 0, 0), volume, 12.8) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("diameter_mm", [6, 12, 20, 34, 50])
def test_size_is_measured_in_both_fields(diameter_mm):
    [fields] = fields_around([CENTER], sphere_in_lung(diameter_mm, 30, 30))
    shape = measure(fields)
    assert shape.diameter_mm == pytest.approx(diameter_mm, rel=0.15)
    assert shape.in_lung == 1.0


@pytest.mark.slow
def test_the_middle_of_a_lesion_is_found_from_a_point_beside_it():
    [fields] = fields_around([(2.0, -1.5, 0.0)], sphere_in_lung(14, 30, 30))
    _, y, x = measure(fields).shift_zyx_mm
    assert (x, y) == pytest.approx((-2.0, 1.5), abs=0.4)


def test_a_field_at_its_own_scale_is_cut_out_as_it_is():
    [fields] = fields_around([CENTER], lung_with(8))
    assert np.allclose(zoomed(fields, NEAR, 1.0), fields.near, atol=1e-2)
