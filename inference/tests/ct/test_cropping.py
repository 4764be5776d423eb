"""Where points fall, and what a crop around them holds; SimpleITK's resampler is the oracle."""

import csv

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.ct.crop_spec import CropSpec, physical
from inference.ct.cropping import axis_weights, crop_around, crop_each, crop_each_hu
from inference.ct.geometry import PointOutsideScan, axis_order, index_to_world, world_to_index
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.metaimage import open_scan, read_volume
from inference.ct.volume import CTVolume, Grid
from inference.ct.writing import write_mha

EXACT = CropSpec((9, 11, 13), (1.3, 0.9, 0.7), window_hu=(-1000, 1000), fill_hu=-1000.0, smooth=False)
IDENTITY = np.eye(3)
FLIPPED = np.diag([-1.0, -1.0, 1.0])
SAGITTAL = np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]])


def turned(degrees: float) -> np.ndarray:
    """Return a rotation about an axis that lies along none of the patient's."""
    a, b = np.radians(degrees), np.radians(degrees / 2)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_x @ about_z


def noisy(direction: np.ndarray = IDENTITY, seed: int = 0) -> CTVolume:
    hu = np.random.default_rng(seed).integers(-1000, 1000, (20, 24, 28)).astype(np.int16)
    return CTVolume.at(hu, (0.8, 0.7, 1.5), (-12.5, 30.25, -400.125), direction)


def as_itk(volume: CTVolume) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.grid.spacing_xyz_mm.tolist())
    image.SetOrigin(volume.grid.origin_xyz_mm.tolist())
    image.SetDirection(volume.grid.direction.ravel().tolist())
    return image


def resampled_by_itk(point_xyz_mm: np.ndarray, volume: CTVolume, spec: CropSpec) -> np.ndarray:
    spacing_xyz = spec.spacing_zyx_mm[::-1]
    corner = [p - s * (n - 1) / 2 for p, s, n in zip(point_xyz_mm, spacing_xyz, spec.shape_zyx[::-1], strict=True)]
    image = SimpleITK.Cast(as_itk(volume), SimpleITK.sitkFloat64)
    resampled = SimpleITK.Resample(
        image, spec.shape_zyx[::-1], SimpleITK.Transform(), SimpleITK.sitkLinear, corner, spacing_xyz,
        IDENTITY.ravel().tolist(), spec.fill_hu,
    )  # fmt: skip
    return SimpleITK.GetArrayFromImage(resampled)


DIRECTIONS = {
    "axial": IDENTITY,
    "flipped": FLIPPED,
    "mirrored": np.diag([1.0, 1.0, -1.0]),
    "sagittal": SAGITTAL,
    "tilted": turned(20),
    "askew": turned(77),
}


@pytest.mark.parametrize("index_zyx", [(10, 12, 14), (0, 0, 0), (19, 23, 27), (3.3, 20.1, 5.7), (19.4, -0.4, 27.4)])
@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_crop_equals_itks_resampling(name, index_zyx):
    volume = noisy(DIRECTIONS[name])
    point = index_to_world(index_zyx, volume.grid)
    [crop] = crop_each_hu([point], volume, EXACT)
    expected = resampled_by_itk(point, volume, EXACT)
    # At the very edge of the scan the two may round an output voxel to different sides.
    assert np.mean(np.abs(crop - expected) > 0.02) < 0.002


@pytest.mark.parametrize("name", DIRECTIONS)
def test_world_and_index_agree_with_itk(name):
    volume = noisy(DIRECTIONS[name])
    index_zyx = np.array([7.25, 11.5, 20.75])
    point = as_itk(volume).TransformContinuousIndexToPhysicalPoint(index_zyx[::-1].tolist())
    assert np.allclose(index_to_world(index_zyx, volume.grid), point)
    assert np.allclose(world_to_index(point, volume.grid), index_zyx)


@pytest.mark.slow
@given(st.tuples(*[st.floats(-0.49, size - 0.51) for size in (20, 24, 28)]), st.floats(-180, 180))
@settings(max_examples=80, deadline=None)
def test_world_to_index_undoes_index_to_world(index_zyx, degrees):
    grid = noisy(turned(degrees)).grid
    assert np.allclose(world_to_index(index_to_world(index_zyx, grid), grid), index_zyx, atol=1e-9)


@pytest.mark.parametrize(
    ("index_zyx", "inside"),
    [
        ((-0.499, 0, 0), True), ((-0.501, 0, 0), False), ((19.499, 23, 27), True), ((19.501, 23, 27), False),
        ((0, 23.6, 0), False), ((0, 0, 27.6), False), ((1e6, 0, 0), False), ((float("nan"), 0, 0), False),
    ],
)  # fmt: skip
def test_a_point_is_inside_when_a_voxel_contains_it(index_zyx, inside):
    grid = noisy(SAGITTAL).grid
    point = index_to_world(index_zyx, grid)
    if inside:
        assert np.allclose(world_to_index(point, grid), index_zyx)
    else:
        with pytest.raises(PointOutsideScan):
            world_to_index(point, grid)


@pytest.mark.parametrize("name", ["axial", "flipped", "sagittal", "tilted"])
@pytest.mark.parametrize("smooth", [True, False])
def test_the_scans_orientation_does_not_turn_the_crop(name, smooth):
    """A blob that is long along the patient's y looks so whatever way the scan was stored."""
    spec = CropSpec((15, 15, 15), (2, 2, 2), window_hu=(0, 1000), fill_hu=0.0, smooth=smooth)
    grid = CTVolume.at(np.zeros((60, 60, 60), np.int16), direction=DIRECTIONS[name]).grid
    center = index_to_world((30, 30, 30), grid)
    index = np.stack(np.meshgrid(*[np.arange(60)] * 3, indexing="ij")).reshape(3, -1)
    world = grid.origin_xyz_mm[:, None] + grid.steps_xyz_mm @ index[::-1]
    offsets = np.abs(world - center[:, None])
    inside = (offsets[0] < 3) & (offsets[1] < 9) & (offsets[2] < 3)
    volume = CTVolume((inside.reshape(60, 60, 60) * 1000).astype(np.int16), grid)
    crop = crop_around(center, volume, spec)[0] > 0.5
    reach_zyx = [np.ptp(np.flatnonzero(crop.any(axis=axes))) for axes in ((1, 2), (0, 2), (0, 1))]
    assert reach_zyx[1] > 2 * max(reach_zyx[0], reach_zyx[2])


def test_a_crop_of_a_file_equals_the_crop_of_the_volume(tmp_path):
    volume = noisy()
    points = [index_to_world(index, volume.grid) for index in [(3, 4, 5), (15, 20, 10)]]
    for compressed in (True, False):
        write_mha(volume, tmp_path / "scan.mha", compressed=compressed)
        with open_scan(tmp_path / "scan.mha") as scan:
            crops = crop_each(points, scan, EXACT)
        for crop, point in zip(crops, points, strict=True):
            assert np.array_equal(crop, crop_around(point, volume, EXACT))


def test_the_window_maps_to_zero_and_one():
    spec = CropSpec((3, 3, 3), (1, 1, 1), window_hu=(-1000, 400))
    for hu, expected in [(-2000, 0), (-1000, 0), (-300, 0.5), (400, 1), (3000, 1)]:
        crop = crop_around((4, 4, 4), CTVolume.at(np.full((9, 9, 9), hu, np.int16)), spec)
        assert crop.shape == (1, 3, 3, 3)
        assert crop.dtype == np.float32
        assert np.allclose(crop, expected)


def test_outside_the_scan_lies_the_fill_or_the_nearest_voxel():
    volume = CTVolume.at(np.full((3, 9, 9), 40, np.int16))
    filled = CropSpec((9, 3, 3), (1, 1, 1), fill_hu=-1000.0)
    assert crop_each_hu([(4, 4, 1)], volume, filled)[0][:, 1, 1].tolist() == [-1000] * 3 + [40] * 3 + [-1000] * 3
    repeated = CropSpec((9, 3, 3), (1, 1, 1), fill_hu=None)
    assert np.allclose(crop_each_hu([(4, 4, 1)], volume, repeated)[0], 40)


@pytest.mark.parametrize("direction", [IDENTITY, turned(15)], ids=["aligned", "askew"])
def test_smoothing_averages_what_a_large_output_voxel_covers(direction):
    rng = np.random.default_rng(1)
    hu = (rng.normal(0, 100, (64, 64, 64))).astype(np.int16)
    volume = CTVolume.at(hu, (0.5, 0.5, 0.5), direction=direction)
    center = index_to_world((32, 32, 32), volume.grid)
    sharp, smooth = (
        crop_each_hu([center], volume, CropSpec((6, 6, 6), (2, 2, 2), smooth=smooth))[0] for smooth in (False, True)
    )
    assert smooth.std() < 0.4 * sharp.std()
    assert abs(smooth.mean()) < 10


def test_very_fine_voxels_askew_are_averaged_from_some_of_them():
    """A crop of a scan with voxels sixteen times smaller is nearly that of the scan made coarser first."""
    rng = np.random.default_rng(2)
    coarse = rng.normal(0, 300, (12, 12, 12)).astype(np.int16)
    fine = np.repeat(np.repeat(np.repeat(coarse, 16, 0), 16, 1), 16, 2)
    spec = CropSpec((5, 5, 5), (1, 1, 1))
    crops = []
    for hu, spacing in ((coarse, 1.0), (fine, 1 / 16)):
        volume = CTVolume.at(hu, (spacing,) * 3, direction=turned(15))
        center = index_to_world((np.array(hu.shape) - 1) / 2, volume.grid)
        crops.append(crop_each_hu([center], volume, spec)[0])
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.9


class Endless:
    """A scan as large as its header says, whose voxels nobody may ask for."""

    def __init__(self, direction: np.ndarray) -> None:
        self.grid = Grid((1024, 1024, 1024), np.full(3, 0.01), np.zeros(3), direction)

    def read_blocks(self, blocks):
        raise AssertionError("read all the same")


@pytest.mark.parametrize("direction", [IDENTITY, turned(15)], ids=["aligned", "askew"])
@pytest.mark.parametrize("points", [1, 100])
def test_more_voxels_than_any_scanner_makes_are_refused_unread(direction, points):
    scan = Endless(direction)
    center = index_to_world((512, 512, 512), scan.grid)
    with pytest.raises(InvalidImageFile) as refusal:
        crop_each_hu([center] * points, scan, CropSpec((16, 16, 16), (1, 1, 1)))
    assert refusal.value.code == "HEADER_GEOMETRY"


@pytest.mark.parametrize("direction", [IDENTITY, turned(20)], ids=["along the axes", "askew"])
def test_smoothing_keeps_an_even_volume_even_up_to_its_edge(direction):
    volume = CTVolume.at(np.full((8, 40, 40), 25, np.int16), (0.5, 0.5, 0.5), (0, 0, 0), direction)
    corner = direction @ np.array([1.5, 1.5, 1.5])
    [crop] = crop_each_hu([tuple(corner)], volume, CropSpec((2, 2, 2), (2, 2, 2), fill_hu=None))
    assert np.allclose(crop, 25, atol=1e-3)


@pytest.mark.slow
@given(
    position=st.floats(-5, 25), size=st.integers(1, 20), step=st.floats(0.1, 6), smooth=st.booleans(),
    fill=st.sampled_from([None, -1000.0]),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_weights_add_up_to_one_inside_and_to_nothing_outside(position, size, step, smooth, fill):
    spec = CropSpec((1, 1, 1), (1, 1, 1), fill_hu=fill, smooth=smooth)
    weights = axis_weights(np.array([position]), size, step, spec)
    total = weights.matrix.sum()
    assert 0 <= weights.low < weights.high <= size
    assert np.isclose(total, 1, atol=1e-5) or (fill is not None and total == 0)
    if 0 <= position <= size - 1:
        assert np.isclose(total, 1, atol=1e-5)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_every_number_type_becomes_physical_hu(dtype):
    limits = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype)
    hu = physical(np.array([limits.min, 0, 100, limits.max], dtype=dtype))
    assert hu.dtype == np.float32
    assert hu.min() >= -1024
    assert hu.max() <= 3071
    assert hu[1:3].tolist() == [0, 100]


@pytest.mark.parametrize(
    ("direction", "order"),
    [
        (IDENTITY, (0, 1, 2)),
        (FLIPPED, (0, 1, 2)),
        (SAGITTAL, (2, 0, 1)),
        (turned(0.02), (0, 1, 2)),
        (turned(1), None),
    ],
)
def test_only_scans_along_the_patients_axes_take_the_short_path(direction, order):
    assert axis_order(direction) == order


@pytest.mark.realdata
def test_the_known_bad_coordinate_lies_outside_and_all_others_inside(real_data):
    with (real_data / "lidc_nodules/nodules.csv").open() as table:
        rows = list(csv.DictReader(table))
    outside = []
    for row in rows:
        with open_scan(real_data / "lidc_nodules/mha" / row["file"]) as scan:
            try:
                world_to_index([float(row[f"Coord{axis}"]) for axis in "XYZ"], scan.grid)
            except PointOutsideScan:
                outside.append(row["file"])
    assert outside == ["LIDC-IDRI-0332_1.mha"]


@pytest.mark.realdata
def test_a_real_crop_equals_itks_resampling_and_that_of_the_nodule_file(real_data):
    [whole_path] = (real_data / "volumes").glob("*.mha")
    point = np.array([56.20840547, 86.34341278, -115.8675792])
    spec = CropSpec((6, 40, 40), (2.5, 0.8, 0.8), smooth=False)
    volume = read_volume(whole_path)
    [crop] = crop_each_hu([point], volume, spec)
    assert np.abs(crop - np.clip(resampled_by_itk(point, volume, spec), -1024, 3071)).max() < 0.05
    with open_scan(real_data / "lidc_nodules/mha/LIDC-IDRI-0001_1.mha") as nodule:
        assert np.allclose(crop_each_hu([point], nodule, spec)[0], crop, atol=0.05)


def test_a_volume_begins_at_the_origin_with_voxels_of_a_millimetre_unless_told():
    grid = CTVolume.at(np.zeros((2, 3, 4), np.int16)).grid
    assert grid.origin_xyz_mm.tolist() == [0.0, 0.0, 0.0]
    assert grid.spacing_xyz_mm.tolist() == [1.0, 1.0, 1.0]
    assert grid.direction.tolist() == np.eye(3).tolist()
