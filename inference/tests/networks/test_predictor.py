"""The shipped models: sane on phantoms, equal to the plain network, blind to where a file ends."""

import numpy as np
import pytest
import torch

from inference.ct.cropping import crop_around
from inference.ct.reading.metaimage import read_volume
from inference.ct.volume import CTVolume
from inference.networks.model import forward
from inference.networks.model.forward import TOLERANCE, Forward
from inference.networks.model.predictor import (
    LesionPredictor,
    NotFinite,
    load_lesion_predictor,
    load_slice_predictor,
)
from inference.networks.model.slice_input import crop_to_body, prepare_slice, stretch_contrast
from inference.networks.model.weights import load_network, read_config
from inference.slice_classes import SLICE_CLASSES
from inference.tests.network_samples import LESION, SLICE, chest_picture, lung_with, parameter_count, sphere_in_lung
from inference.training.lesions.card import file_and_volume
from inference.training.lesions.data import cut_around

pytestmark = pytest.mark.slow

MAX_BYTES = 20 * 1024**2
CENTER = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def lesion():
    return load_lesion_predictor(*LESION)


@pytest.fixture(scope="module")
def slices():
    return load_slice_predictor(*SLICE)


def malignancy(lesion: LesionPredictor, volume: CTVolume) -> float:
    [probability] = lesion.probabilities([CENTER], volume)
    return probability


@pytest.mark.parametrize("paths", [LESION, SLICE], ids=["lesion", "slice"])
def test_shipped_weights_are_small_and_have_a_card(paths):
    config, weights = paths
    assert weights.stat().st_size <= MAX_BYTES
    assert parameter_count(load_network(read_config(config), weights)) <= 5_000_000
    card = config.with_suffix(".md").read_text()
    assert "Not for clinical use" in card
    assert read_config(config).version in card


DENSITIES = {"solid": (30.0, 30.0), "part solid": (-550.0, 30.0), "ground glass": (-600.0, -600.0)}


@pytest.mark.parametrize("density", DENSITIES)
def test_risk_rises_with_size_at_every_density(lesion, density):
    """Spheres of 5 to 60 mm: a lesion that outgrows the network's field must not look safer."""
    outer_hu, inner_hu = DENSITIES[density]
    diameters = (5, 8, 12, 16, 20, 25, 30, 40, 50, 60)
    answers = [malignancy(lesion, sphere_in_lung(diameter, outer_hu, inner_hu)) for diameter in diameters]
    # Noise of the phantom moves the answer for a small ball by a hundredth.
    assert np.diff(answers).min() > -0.01, answers
    assert np.diff(answers[1:]).min() > 0, answers
    assert answers[0] < 0.25
    assert answers[-1] > 0.9


@pytest.mark.parametrize("spacing_xyz_mm", [(0.5, 0.5, 0.7), (0.7, 0.7, 1.25), (0.9, 0.9, 2.5)])
@pytest.mark.parametrize(("diameter_mm", "is_above_half"), [(4.0, False), (22.0, True)])
def test_size_counts_whatever_the_scanner(lesion, spacing_xyz_mm, diameter_mm, is_above_half):
    volume = lung_with(diameter_mm, spacing_xyz_mm=spacing_xyz_mm)
    assert (malignancy(lesion, volume) > 0.5) == is_above_half


@pytest.mark.parametrize("diameter_mm", [5.0, 9.0, 14.0, 20.0])
def test_where_the_file_ends_does_not_matter(lesion, diameter_mm):
    """A nodule file ends one or two slices beyond the nodule: a network that reads that reads the label."""
    volume = lung_with(diameter_mm)
    whole = malignancy(lesion, volume)
    rng = np.random.default_rng(0)
    for _ in range(5):
        above_and_below = diameter_mm / 2 + rng.uniform(1.25, 4, 2)
        sideways = max(12.0, diameter_mm / 2 + 4) + rng.uniform(0, 6, (2, 2))
        part = cut_around(volume, CENTER, np.column_stack([above_and_below, sideways]))
        assert malignancy(lesion, part) == pytest.approx(whole, abs=0.05)


def test_mirrored_storage_of_the_same_patient_gives_the_same_answer(lesion):
    volume = lung_with(12.0)
    grid = volume.grid
    far = grid.origin_xyz_mm + grid.steps_xyz_mm @ (np.array(grid.shape_zyx[::-1]) - 1)
    origin = (far[0], far[1], grid.origin_xyz_mm[2])
    turned = CTVolume.at(volume.hu[:, ::-1, ::-1], tuple(grid.spacing_xyz_mm), origin, np.diag([-1.0, -1.0, 1.0]))
    assert malignancy(lesion, turned) == pytest.approx(malignancy(lesion, volume), abs=1e-5)


def test_points_of_one_scan_are_answered_one_by_one(lesion):
    volume, beside = lung_with(12), (9.0, 0.0, 0.0)
    one_by_one = [lesion.probabilities([point], volume)[0] for point in (CENTER, beside)]
    assert lesion.probabilities([CENTER, beside], volume) == pytest.approx(one_by_one, abs=1e-6)
    assert lesion.probabilities([], volume) == []


def test_optimised_lesion_forward_equals_the_plain_network(lesion):
    assert lesion.forward.is_optimised
    plain = load_network(read_config(LESION[0]), LESION[1])
    for diameter in (4, 10, 20):
        crop = torch.from_numpy(crop_around(CENTER, lung_with(diameter), lesion.spec))[None]
        with torch.inference_mode():
            assert torch.allclose(lesion.forward(crop), plain(crop), atol=TOLERANCE)


def test_optimised_slice_forward_equals_the_plain_network(slices):
    assert slices.forward.is_optimised
    plain = load_network(read_config(SLICE[0]), SLICE[1])
    picture = torch.from_numpy(prepare_slice(chest_picture(), slices.side))[None]
    with torch.inference_mode():
        assert torch.allclose(slices.forward(picture), plain(picture), atol=TOLERANCE)


class Clock:
    """Time passes only in calls: as long as each takes by itself, and longer while something else runs."""

    def __init__(self, busy_calls: int) -> None:
        self.now_s, self.busy_calls = 0.0, busy_calls

    def call_of(self, seconds: float) -> Forward:
        def run(batch):
            self.now_s += seconds * (20 if self.busy_calls > 0 else 1)
            self.busy_calls -= 1
            return batch

        return Forward(run, 0.0)


@pytest.mark.parametrize("busy_calls", [0, 1, 7, 15, 18])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_faster_forward_is_chosen_though_the_machine_was_busy_for_most_of_the_trial(monkeypatch, busy_calls, order):
    clock = Clock(busy_calls)
    monkeypatch.setattr(forward.time, "perf_counter", lambda: clock.now_s)
    forwards = [clock.call_of(seconds) for seconds in order]
    assert forward._fastest(forwards, torch.zeros(1)) is forwards[order.index(1)]


def test_slice_model_answers_the_four_classes_in_order(slices):
    [row] = slices.probabilities([chest_picture()])
    assert slices.classes == SLICE_CLASSES
    assert len(row) == 4
    assert sum(row) == pytest.approx(1.0, abs=1e-9)
    assert min(row) >= 0


@pytest.mark.parametrize("shape", [(32, 32), (32, 128), (700, 300)])
def test_slice_model_takes_any_size(slices, shape):
    [row] = slices.probabilities([chest_picture(*shape)])
    assert sum(row) == pytest.approx(1.0)


def test_a_network_that_answers_no_number_is_an_error(lesion):
    answers_nothing = Forward(lambda batch: torch.full((len(batch),), float("nan")), None)
    for judge in (None, lesion.judge):
        broken = LesionPredictor(lesion.spec, "x", answers_nothing, judge)
        with pytest.raises(NotFinite):
            broken.probabilities([CENTER], lung_with(8))


def test_border_and_window_of_a_picture_hardly_change_what_the_network_sees():
    picture = chest_picture()
    framed = np.pad(picture, 30)
    darker = (picture * 0.5).astype(np.uint8)
    seen = prepare_slice(picture, 64)
    assert np.abs(prepare_slice(framed, 64) - seen).mean() < 0.01
    assert np.abs(prepare_slice(darker, 64) - seen).mean() < 0.05


@pytest.mark.parametrize("level", [0, 20, 255])
def test_an_even_picture_stays_whole_and_finite(level):
    even = np.full((50, 60), level, dtype=np.uint8)
    assert crop_to_body(even).shape == (50, 60)
    assert np.array_equal(stretch_contrast(even.astype(np.float32)), np.zeros((50, 60), dtype=np.float32))


def test_contrast_is_stretched_to_the_whole_range():
    seen = stretch_contrast(np.arange(101, dtype=np.float32)[None])
    assert (seen.min(), seen.max()) == (0.0, 1.0)


@pytest.mark.realdata
def test_nodule_file_and_whole_volume_agree(lesion, real_data):
    from_file, from_volume = file_and_volume(lesion, real_data)
    assert from_file == pytest.approx(from_volume, abs=0.05)
    assert from_file > 0.5


@pytest.mark.realdata
def test_any_place_of_the_whole_volume_is_judged_the_same_when_cut_out(lesion, real_data):
    """Cut as nodule files are, around places that are no nodule of the table: vessels, walls, lung."""
    [path] = (real_data / "volumes").glob("*.mha")
    volume = read_volume(path)
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(40):
        index_zyx = rng.uniform((20, 180, 100), (110, 340, 410))
        point = volume.grid.origin_xyz_mm + volume.grid.steps_xyz_mm @ index_zyx[::-1]
        part = cut_around(volume, point, np.column_stack([rng.uniform(4, 8, 2), np.full((2, 2), 15.0)]))
        one, two = (lesion.probabilities([point], scan)[0] for scan in (volume, part))
        gaps.append(abs(one - two))
    assert np.mean(gaps) < 0.02
    # Where there is no lesion, a cut at 15 mm may look like its end: one place in twenty may differ.
    assert np.percentile(gaps, 95) < 0.15
