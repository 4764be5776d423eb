"""Made-up chests hold what they say, and are the same for the same seed."""

import numpy as np
import pytest

from inference.ct import phantom as phantom_module
from inference.ct.crop_spec import CropSpec
from inference.ct.cropping import crop_each_hu
from inference.ct.geometry import world_to_index
from inference.ct.phantom import BONE_HU, LUNG_HU, TISSUE_HU, make_phantom


@pytest.mark.slow
def test_the_same_seed_draws_the_same_chest():
    one, same, other = make_phantom(7), make_phantom(7), make_phantom(8)
    assert np.array_equal(one.volume.hu, same.volume.hu)
    assert one.nodules == same.nodules
    assert not np.array_equal(one.volume.hu, other.volume.hu)


@pytest.mark.parametrize("seed", range(5))
def test_every_nodule_is_inside_and_as_dense_as_it_says(seed):
    phantom = make_phantom(seed, labels=(True, False, False))
    for nodule in phantom.nodules:
        world_to_index(nodule.point_xyz_mm, phantom.volume.grid)
        [core] = crop_each_hu([nodule.point_xyz_mm], phantom.volume, CropSpec((1, 1, 1), (1, 1, 1), smooth=False))
        assert core[0, 0, 0] > LUNG_HU / 2


@pytest.mark.slow
def test_labels_are_as_asked_and_malignant_nodules_tend_to_be_larger():
    labels = (True, False)
    nodules = [
        nodule
        for seed in range(20)
        for nodule in make_phantom(seed, labels=labels, shape_zyx=(20, 60, 80), spacing_xyz_mm=(4, 4, 3)).nodules
    ]
    assert [nodule.is_malignant for nodule in nodules] == list(labels) * 20
    sizes = {label: np.mean([n.diameter_mm for n in nodules if n.is_malignant is label]) for label in labels}
    assert sizes[True] > 1.5 * sizes[False]


def test_a_grid_too_small_for_a_chest_is_refused():
    with pytest.raises(ValueError, match="chest"):
        make_phantom(1, shape_zyx=(20, 60, 60))


@pytest.mark.parametrize(("ny", "nx", "fits"), [(39, 60, True), (38, 60, False), (39, 59, False)])
def test_the_smallest_grid_just_holds_the_lungs(ny, nx, fits):
    """Lungs of 240 x 156 mm: two of half-axes 52 and 78 mm around x = -68 and 68."""
    spacing = (4.0, 4.0, 4.0)
    if fits:
        assert make_phantom(1, shape_zyx=(4, ny, nx), spacing_xyz_mm=spacing).volume.grid.shape_zyx == (4, ny, nx)
        return
    with pytest.raises(ValueError, match=r"240\.0, 156\.0"):
        make_phantom(1, shape_zyx=(4, ny, nx), spacing_xyz_mm=spacing)


def test_a_nodule_larger_than_the_chest_is_high_lies_in_its_middle():
    [nodule] = make_phantom(3, labels=(True,), shape_zyx=(2, 40, 60), spacing_xyz_mm=(4.0, 4.0, 2.0)).nodules
    assert nodule.point_xyz_mm[2] == 0


@pytest.mark.parametrize("seed", range(3))
def test_vessels_leave_the_tissue_around_the_lungs_alone(seed, monkeypatch):
    """Without noise, what lies in the body and outside both lungs is exactly tissue or bone."""
    monkeypatch.setattr(phantom_module, "NOISE_HU", 0.0)
    volume = make_phantom(seed, labels=(), shape_zyx=(30, 80, 80), spacing_xyz_mm=(4.0, 4.0, 5.0)).volume
    x, y = (np.arange(80) - 39.5) * 4.0, ((np.arange(80) - 39.5) * 4.0)[:, None]
    outside = np.minimum(((x + 68) / 52) ** 2, ((x - 68) / 52) ** 2) + (y / 78) ** 2 >= 1
    body = (x / 150) ** 2 + (y / 105) ** 2 < 1
    assert set(np.unique(volume.hu[:, outside & body])) == {TISSUE_HU, BONE_HU}


@pytest.mark.slow
def test_a_chest_has_air_lung_tissue_and_bone():
    hu = make_phantom(1).volume.hu
    assert hu.dtype == np.int16
    for low, high, share in [(-1100, -950, 0.3), (-930, -800, 0.15), (-20, 100, 0.2), (380, 520, 0.002)]:
        assert np.mean((hu > low) & (hu < high)) > share


# Seed 7, drawn once and looked at: the demo, the samples and the tests of models count on the same chest. Rows of the
# mean HU of 15 × 40 × 40 voxels, along x, then y, then z.
KNOWN_MEANS = [
    [-986.31, -743.42, -743.36, -986.43],
    [-559.11, -458.62, -450.61, -559.46],
    [-558.68, -446.77, -448.57, -559.83],
    [-986.07, -728.6, -728.77, -986.26],
    [-986.13, -743.35, -743.37, -986.16],
    [-607.34, -520.16, -510.39, -607.1],
    [-608.6, -493.48, -506.34, -609.18],
    [-986.36, -728.73, -728.52, -986.16],
    [-986.18, -743.36, -743.38, -986.18],
    [-607.92, -516.37, -517.65, -609.09],
    [-608.9, -500.26, -509.22, -608.9],
    [-986.11, -728.73, -728.91, -986.29],
    [-986.37, -743.3, -743.55, -986.26],
    [-560.1, -456.78, -452.49, -557.14],
    [-559.13, -445.25, -448.56, -560.05],
    [-986.24, -728.57, -728.62, -986.26],
]  # fmt: skip
# Centre, diameter, density, margin, spiculation, label.
KNOWN_NODULES = [
    ((-45.53918, 24.907078, -23.308179), 17.006275, -4.791164, 1.007898, 0.396369, True),
    ((-80.43138, -21.473625, -22.402185), 6.901782, -23.261701, 0.853184, 0.06642, False),
    ((75.834828, 47.881763, -26.305674), 5.345084, -31.686162, 0.530759, 0.004282, False),
    ((-41.850428, 12.468212, 1.284121), 7.563713, -38.253394, 0.67326, 0.001415, False),
]


def test_the_chest_of_a_seed_is_the_one_it_always_was():
    phantom = make_phantom(7, labels=(True, False, False, False))
    means = phantom.volume.hu.astype(float).reshape(4, 15, 4, 40, 4, 40).mean(axis=(1, 3, 5))
    # Another processor may round a voxel otherwise: a hundredth of one HU in the mean of 24,000 is no other chest.
    assert means.reshape(16, 4) == pytest.approx(np.array(KNOWN_MEANS), abs=0.011)
    for nodule, known in zip(phantom.nodules, KNOWN_NODULES, strict=True):
        values = (nodule.diameter_mm, nodule.density_hu, nodule.margin_mm, nodule.spiculation)
        assert nodule.point_xyz_mm == pytest.approx(known[0], abs=1e-5)
        assert values == pytest.approx(known[1:5], abs=1e-5)
        assert nodule.is_malignant is known[5]
    grid = phantom.volume.grid
    assert tuple(grid.spacing_xyz_mm) == (2.0, 2.0, 2.5)
    assert tuple(grid.origin_xyz_mm) == (-159.0, -159.0, -73.75)
