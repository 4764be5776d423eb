"""Shapes, size and building blocks of the two networks."""

import pytest
import torch
from torch.nn import functional

from inference.networks.model.architectures import (
    DIAMETER_SCALE,
    ConvNorm,
    LesionMember,
    LesionNet,
    Lite0Features,
    SliceNet,
    quarter_means,
)
from inference.tests.network_samples import parameter_count

pytestmark = pytest.mark.slow

MAX_PARAMETERS = 5_000_000


def test_lesion_network_answers_each_members_probability_and_a_diameter():
    answer = LesionNet(members=2, slices=3, width=8).eval()(torch.rand(5, 1, 3, 32, 32))
    assert answer.shape == (5, 3)
    assert ((answer[:, :2] > 0) & (answer[:, :2] < 1)).all()


def test_lesion_network_lets_each_member_answer_and_takes_the_mean_diameter():
    network = LesionNet(members=2, slices=3, width=8).eval()
    crop = torch.rand(1, 1, 3, 32, 32)
    one, two = (member(crop[:, 0] * 2 - 1)[0] for member in network.members)
    expected = [torch.sigmoid(one[0]), torch.sigmoid(two[0]), DIAMETER_SCALE * (one[1] + two[1]) / 2]
    assert torch.allclose(network(crop)[0], torch.stack(expected))


def test_member_answers_logit_diameter_and_vote():
    assert LesionMember(slices=3, width=8).eval()(torch.rand(4, 3, 32, 32)).shape == (4, 3)


@pytest.mark.parametrize(("taps", "grid_taps", "width"), [((), (), 1280), ((4,), (), 1320), ((4,), (10,), 1768)])
def test_lite0_says_how_many_features_it_gives(taps, grid_taps, width):
    features = Lite0Features(taps, grid_taps).eval()
    assert features.width == width
    assert features(torch.zeros(1, 3, 64, 64)).shape == (1, width)


def test_slice_network_answers_four_probabilities_that_sum_to_one():
    answer = SliceNet(4, taps=[4], grid_taps=[10]).eval()(torch.rand(2, 1, 64, 64))
    assert answer.shape == (2, 4)
    assert torch.allclose(answer.sum(dim=1), torch.ones(2))


def test_temperatures_change_confidence_and_not_the_order():
    network = SliceNet(4, taps=[], grid_taps=[]).eval()
    picture = torch.rand(1, 1, 64, 64)
    sharp = network(picture)[0]
    network.temperature.fill_(4.0)
    soft = network(picture)[0]
    assert abs(soft[-1] - 0.5) < abs(sharp[-1] - 0.5)  # "normal"
    types, soft_types = (answer[:-1] / answer[:-1].sum() for answer in (sharp, soft))
    assert (soft_types.argsort() == types.argsort()).all()
    assert soft_types.max() < types.max()


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(LesionNet(members=4, slices=3, width=24), id="lesion"),
        pytest.param(SliceNet(4, [4, 7, 10, 14], [10, 14]), id="slice"),
    ],
)
def test_networks_are_small(network):
    assert parameter_count(network) <= MAX_PARAMETERS


def test_lite0_has_the_published_number_of_weights_without_its_classifier():
    assert parameter_count(Lite0Features()) == 4_652_008 - 1000 * 1280 - 1000


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (8, 5, 2), (8, 3, 1), (8, 1, 1)])
def test_same_padding_keeps_side_over_stride(side, kernel, stride):
    assert ConvNorm(1, 1, kernel, stride)(torch.zeros(2, 1, side, side)).shape[-1] == side // stride


def test_same_padding_puts_the_odd_pixel_at_the_far_side():
    conv = ConvNorm(1, 1, 3, 2, activation=False).eval()
    torch.nn.init.ones_(conv[1].weight)
    picture = torch.zeros(1, 1, 4, 4)
    picture[0, 0, 0, 0] = 1.0
    seen = conv(picture)[0, 0]
    assert seen[0, 0] > 0.9
    assert seen[1, 1] == 0


@pytest.mark.parametrize("side", [14, 7, 2])
def test_quarter_means_are_what_adaptive_pooling_gives(side):
    maps = torch.rand(2, 3, side, side)
    assert torch.allclose(quarter_means(maps), functional.adaptive_avg_pool2d(maps, 2).flatten(1), atol=1e-6)
