"""Made-up chests hold what they say, and are the same for the same seed."""

import numpy as np
import pytest

from inference.ct.crop_spec import CropSpec
from inference.ct.cropping import crop_each_hu
from inference.ct.geometry import world_to_index
from inference.ct.phantom import LUNG_HU, make_phantom


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


def test_a_chest_has_air_lung_tissue_and_bone():
    hu = make_phantom(1).volume.hu
    assert hu.dtype == np.int16
    for low, high, share in [(-1100, -950, 0.3), (-930, -800, 0.15), (-20, 100, 0.2), (380, 520, 0.002)]:
        assert np.mean((hu > low) & (hu < high)) > share
