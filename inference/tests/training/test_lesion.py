"""Lesion training: crops, variants, folds, fitting, on phantoms that take seconds."""

import numpy as np
import pytest
import torch

from inference.ct.cropping import crop_around
from inference.ct.geometry import world_to_index
from inference.networks.model.predictor import load_lesion_predictor
from inference.tests.network_samples import lung_with, phantom_nodules
from inference.training.lesion import main
from inference.training.lesions.data import (
    MARGIN_VOXELS,
    cut_around,
    load_nodules,
    read_rows,
    thicker_slices,
    vary_crop,
    widened,
)
from inference.training.lesions.fit import FitRecipe, augmented, fit_member, plain, targets_of
from inference.training.lesions.held_out import HeldOutLesions
from inference.training.lesions.validate import SPEC, LesionRecipe, cross_validate, fold_numbers
from inference.training.metrics import auc

pytestmark = [pytest.mark.training, pytest.mark.timeout(1200)]  # torch on two busy cores

CENTER = (0.0, 0.0, 0.0)
SMALL_FIT = FitRecipe(epochs=12, width=8, batch=16)


@pytest.fixture(scope="module")
def nodules():
    return phantom_nodules(48)


def test_the_margin_surrounds_exactly_what_is_served():
    volume = lung_with(10.0)
    wide = crop_around(CENTER, volume, widened(SPEC))[0]
    inner = wide[:, MARGIN_VOXELS:-MARGIN_VOXELS, MARGIN_VOXELS:-MARGIN_VOXELS]
    assert np.allclose(inner, crop_around(CENTER, volume, SPEC)[0], atol=1e-5)


def test_a_cut_keeps_the_place_of_every_voxel():
    volume = lung_with(10.0)
    part = cut_around(volume, CENTER, np.full((2, 3), 6.0))
    index = np.rint(world_to_index(CENTER, part.grid)).astype(int)
    whole = np.rint(world_to_index(CENTER, volume.grid)).astype(int)
    assert part.hu[tuple(index)] == volume.hu[tuple(whole)]
    assert part.hu.shape == (10, 17, 17)


@pytest.mark.parametrize("reach_mm", [0.0, 0.1, 1000.0])
def test_a_cut_never_loses_the_point(reach_mm):
    volume = lung_with(10.0)
    part = cut_around(volume, CENTER, np.full((2, 3), reach_mm))
    world_to_index(CENTER, part.grid)
    assert max(part.hu.shape) <= max(volume.hu.shape)


def test_pairs_of_thin_slices_become_one_and_stay_in_place():
    volume = lung_with(10.0, spacing_xyz_mm=(0.7, 0.7, 1.0))
    thick = thicker_slices(volume, CENTER)
    assert thick.grid.spacing_xyz_mm[2] == 2.0
    assert np.allclose(thick.hu[0], volume.hu[:2].mean(axis=0))
    assert thick.grid.origin_xyz_mm[2] == volume.grid.origin_xyz_mm[2] + 0.5


def test_thick_slices_are_left_alone():
    volume = lung_with(10.0, spacing_xyz_mm=(0.7, 0.7, 2.5))
    assert thicker_slices(volume, CENTER) is volume


def test_variants_differ_and_come_again_with_the_seed():
    volume = lung_with(10.0)
    one, again = (vary_crop(volume, CENTER, SPEC, np.random.default_rng(3)) for _ in range(2))
    other = vary_crop(volume, CENTER, SPEC, np.random.default_rng(4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_augmentation_keeps_shape_and_range_and_differs_each_time(nodules):
    crops, batch = torch.from_numpy(nodules.crops), torch.arange(8)
    one, two = (augmented(crops, batch, FitRecipe()) for _ in range(2))
    assert one.shape == (8, *SPEC.shape_zyx)
    assert one.min() >= -1
    assert one.max() <= 1
    assert not torch.equal(one, two)


def test_targets_mix_label_and_vote(nodules):
    targets = targets_of(nodules, FitRecipe(vote_share=0.5))
    assert targets.malignancy[:2].tolist() == [0.0, 1.0]
    assert targets.vote[:2].tolist() == [-1.0, 1.0]


def test_a_patient_is_in_one_fold_only(nodules):
    fold = fold_numbers(nodules, folds=4, seed=0)
    for patient in set(nodules.patient):
        assert len(set(fold[nodules.patient == patient])) == 1
    assert set(fold) == {0, 1, 2, 3}


def test_a_member_learns_to_tell_large_from_small(nodules):
    torch.set_num_threads(1)
    seen, new = np.arange(32), np.arange(32, 48)
    network = fit_member(nodules, seen, SMALL_FIT, seed=0)
    with torch.no_grad():
        answers = network(plain(torch.from_numpy(nodules.crops[new]))).numpy()
    assert auc(nodules.label[new], answers[:, 0]) > 0.95
    assert np.corrcoef(answers[:, 1], np.log(nodules.diameter_mm[new]))[0, 1] > 0.7


def test_the_same_seed_fits_the_same_member(nodules):
    recipe = FitRecipe(epochs=1, width=8, batch=16)
    one, two = (fit_member(nodules, np.arange(16), recipe, seed=1).state_dict() for _ in range(2))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


@pytest.mark.parametrize("width", [-8, 0, 1, 4, 12, 20])
def test_a_width_that_breaks_the_heap_without_avx_512_is_refused(width):
    with pytest.raises(ValueError, match="multiple of 8"):
        FitRecipe(width=width)


@pytest.mark.parametrize("width", [8, 16, 24])
def test_every_other_width_is_fitted(nodules, width):
    member = fit_member(nodules, np.arange(16), FitRecipe(epochs=1, width=width, batch=16), seed=1)
    assert all(torch.isfinite(value).all() for value in member.state_dict().values())


def test_cross_validation_answers_every_nodule_once(nodules):
    recipe = LesionRecipe(fit=FitRecipe(epochs=1, width=8, batch=16), members=2, folds=3, variants=1)
    held_out = cross_validate(nodules, recipe)
    assert held_out.logit.shape == (48,)
    assert held_out.member_logit.shape == (2, 48)
    assert held_out.variant_logit.shape == (1, 48)
    assert held_out.log_diameter.shape == (48,)
    assert np.allclose(held_out.member_logit.mean(axis=0), held_out.logit)
    assert np.isfinite(held_out.logit).all()


@pytest.mark.realdata
def test_the_table_is_what_its_readme_says(real_data):
    rows = read_rows(real_data / "lidc_nodules")
    assert len(rows) == 744
    assert len({row.patient for row in rows}) == 401
    assert sum(row.label for row in rows) == 245


@pytest.mark.realdata
def test_the_nodule_outside_its_file_is_left_out(real_data):
    nodules = load_nodules(real_data / "lidc_nodules", SPEC, variants=0, seed=0)
    assert "LIDC-IDRI-0332_1" not in {row.path.stem for row in nodules.rows}
    assert nodules.crops.shape[:2] == (743, 1)
    assert auc(nodules.label, nodules.diameter_mm) == pytest.approx(0.9217, abs=0.001)


@pytest.mark.slow
@pytest.mark.realdata
def test_the_command_writes_weights_config_and_card(real_data, tmp_path):
    main(["--quick", "--threads", "1", "--data", str(real_data), "--out", str(tmp_path)])
    predictor = load_lesion_predictor(tmp_path / "lesion.json", tmp_path / "lesion.safetensors")
    card = (tmp_path / "lesion.md").read_text()
    assert predictor.spec == SPEC
    assert predictor.version in card
    for part in ("743 nodules of 401 patients", "AUC, strict label", "calibration slope", "LIDC-IDRI-0001"):
        assert part in card
    assert len(HeldOutLesions.read(tmp_path / "lesion_held_out.csv", real_data / "lidc_nodules").label) == 743
