"""What is served computes what was trained."""

import pytest
import torch

from inference.networks.model.architectures import ConvNorm, LesionNet, SliceNet
from inference.networks.model.serving_form import SideBySide, serving_form

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (3, 1)])
def test_serving_form_of_a_padded_convolution_is_the_same_function(kernel, stride):
    torch.manual_seed(0)
    layer = ConvNorm(2, 4, kernel, stride).eval()
    served = serving_form(layer)
    picture = torch.rand(2, 2, 16, 16)
    assert torch.allclose(served(picture), layer(picture), atol=1e-6)
    assert not any(isinstance(module, torch.nn.ZeroPad2d) for module in served.modules())


def test_serving_form_leaves_the_network_itself_alone():
    network = SliceNet(4, taps=[], grid_taps=[]).eval()
    names = list(network.state_dict())
    serving_form(network)
    assert list(network.state_dict()) == names
    assert isinstance(network.features.stem[0], torch.nn.ZeroPad2d)


def trained(network):
    """Give each norm a history and each member its own, as training does."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


@pytest.mark.parametrize("members", [1, 2, 4])
def test_members_side_by_side_answer_what_they_answer_one_by_one(members):
    network = trained(LesionNet(members=members, slices=3, width=8))
    served = serving_form(network)
    crops = torch.rand(5, 1, 3, 32, 32) * torch.linspace(0.1, 1, 5).reshape(5, 1, 1, 1, 1)
    assert isinstance(served, SideBySide)
    assert torch.allclose(served(crops), network(crops), atol=1e-6)
    assert network(crops).std() > 1e-4
