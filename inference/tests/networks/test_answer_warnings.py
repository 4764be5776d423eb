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
from inference.networks.model.slice_doubts import SliceLimits, looks_inverted, refuse_blank, slice_warnings
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


@pytest.mark.parametrize(
    ("spacing_xyz_mm", "origin_xyz_mm", "is_default"),
    [((1, 1, 1), (0, 0, 0), True), ((1, 1, 1), (-170, -160, 40), False), ((0.7, 0.7, 1), (0, 0, 0), False)],
)
def test_a_header_of_defaults_alone_is_doubted(spacing_xyz_mm, origin_xyz_mm, is_default):
    """`SimpleITK.GetImageFromArray` without `CopyInformation`: a nodule of 8 mm becomes one of 11."""
    volume = CTVolume.at(np.zeros((40, 40, 40), np.int16), spacing_xyz_mm, origin_xyz_mm)
    place = np.add(origin_xyz_mm, 20.0 * np.array(spacing_xyz_mm))
    assert ("DEFAULT_GEOMETRY" in lesion_warnings(SURE, 0.7, place, volume)) == is_default


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_refused(level):
    blank = np.full((60, 60), level, np.uint8)
    blank[30, 30] = 90
    with pytest.raises(InvalidImageFile) as refused:
        refuse_blank(blank)
    assert refused.value.code == "NO_CONTRAST"
    refuse_blank(chest_picture())


@pytest.mark.parametrize("frame", [None, 0, 128, 255])
def test_an_inverted_slice_is_told_by_its_corners_whatever_its_frame(frame):
    """A slice whose body fills the width still has air in its corners; a white frame is no air."""
    for grey in (chest_picture(), chest_picture()[10:-10, 20:-20]):
        for picture, is_inverted in ((grey, False), (255 - grey, True)):
            framed = picture if frame is None else np.pad(picture, 30, constant_values=frame)
            assert looks_inverted(framed) is is_inverted


CONVERSIONS = {
    "offset of 1000": (lambda hu: hu.astype(np.int32).clip(-1040) + 1000, "offset"),
    "normal scores": (lambda hu: (hu - hu.mean()) / hu.std(), "0 to 1"),
    "offset": (lambda hu: (hu.astype(np.int32) + 1024).clip(0).astype(np.uint16), "1024"),
    "grey": (lambda hu: ((hu.astype(float) + 1000) / 1400 * 255).clip(0, 255).astype(np.uint8), "8-bit"),
    "grey of a soft window": (lambda hu: ((hu.astype(float) + 160) / 400 * 255).clip(0, 255).astype(np.uint8), "8-bit"),
    "cut to a soft window": (lambda hu: hu.clip(-160, 240), "cut to a grey window"),
    "cut to 8 bits": (lambda hu: hu.clip(-128, 127).astype(np.int8), "cut to a grey window"),
    "unsigned": (lambda hu: hu.astype(np.uint16), "stored as unsigned"),
    "other byte order": (lambda hu: hu.byteswap(), "BinaryDataByteOrderMSB"),
    "ten times HU": (lambda hu: hu.astype(np.int32) * 10, "most often by 10"),
    "ten times HU, as float": (lambda hu: hu.astype(np.float32) * 10, "most often by 10"),
    "negated": (lambda hu: -hu.astype(np.int32), "by -1"),
    "subtracted twice": (lambda hu: hu.astype(np.int32) - 1024, "subtracted twice"),
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


IN_A_CUT = ("offset of 1000", "normal scores", "other byte order", "ten times HU", "negated", "subtracted twice")


@pytest.mark.parametrize("name", IN_A_CUT)
def test_they_are_named_in_a_cut_around_the_nodule_too(name):
    """50 mm of lung: too narrow to ask for air, and an airway lies at -15, so that not all numbers are positive."""
    convert, told = CONVERSIONS[name]
    cut = lung_with(12.0, density_hu=30.0)
    cut.hu[:, 5:20, 5:20] = -1015
    volume = CTVolume(convert(cut.hu), cut.grid)
    assert volume.hu.min() < 0
    assert told in foreign_scale(fields_around([CENTER], volume), [CENTER], volume)
    assert foreign_scale(fields_around([CENTER], cut), [CENTER], cut) is None


@pytest.mark.parametrize("blood_hu", [60, 350, 600])
def test_contrast_beside_fat_is_no_offset(blood_hu):
    """A cut in the heart: no air, mostly blood, but nothing as dense as tissue with 1000 added."""
    hu = np.random.default_rng(0).normal(0, 15, (40, 80, 80)) + blood_hu
    hu[:, :25] -= blood_hu + 90
    volume = CTVolume.at(hu.astype(np.int16))
    assert foreign_scale(fields_around([(40, 40, 20)], volume), [(40, 40, 20)], volume) is None


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
