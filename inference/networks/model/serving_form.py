"""Rewrite networks to compute the same function in fewer, larger steps; forward.py checks that they are equal."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inference.networks.model.architectures import DIAMETER_SCALE, ConvNorm, LesionMember, LesionNet, Residual


def serving_form(network: nn.Module) -> nn.Module:
    """Return an equivalent copy of `network` with even padding everywhere and its members side by side."""
    served = copy.deepcopy(network).eval()
    pad_evenly(served)
    return SideBySide(served).eval() if isinstance(served, LesionNet) else served


def pad_evenly(network: nn.Module) -> None:
    """Merge ConvNorm's uneven padding into its convolution.

    The kernel gets one more row and column of zeros, and the padding becomes even. A separate padding step would make
    an optimised graph leave and re-enter its own memory layout each time.
    """
    for module in network.modules():
        if isinstance(module, ConvNorm) and isinstance(module[0], nn.ZeroPad2d):
            module[0], module[1] = nn.Identity(), _evenly_padded(module[0], module[1])


def _evenly_padded(padding: nn.ZeroPad2d, conv: nn.Module) -> nn.Conv2d:
    """Return the convolution with its uneven padding merged in; the near side has one less than the far side."""
    if not isinstance(conv, nn.Conv2d):
        raise TypeError("ConvNorm pads for a convolution")
    size, near = conv.kernel_size[0] + 1, int(padding.padding[0]) + 1
    wide = nn.Conv2d(conv.in_channels, conv.out_channels, size, conv.stride[0], near, groups=conv.groups, bias=False)
    with torch.no_grad():
        wide.weight.zero_()[:, :, 1:, 1:] = conv.weight
    return wide


class SideBySide(nn.Module):
    """A LesionNet whose members run as groups of grouped convolutions, with batch norms folded in.

    Four members then need a quarter of the steps; on maps this small, a step costs more than its arithmetic.
    """

    def __init__(self, network: LesionNet) -> None:
        super().__init__()
        members = [cast(LesionMember, member) for member in network.members]
        self.members = len(members)
        self.first = _beside([member.features for member in members], 0, shares_input=True)
        depths = range(3, len(members[0].features))
        self.blocks = nn.Sequential(
            *(ResidualsBeside([cast(Residual, member.features[depth]) for member in members]) for depth in depths)
        )
        # Of a member's three outputs, the readers' vote is not needed.
        heads = [member.heads for member in members]
        self.weight = nn.Parameter(torch.stack([head.weight[0] for head in heads]))
        self.bias = nn.Parameter(torch.stack([head.bias[0] for head in heads]))
        scale = DIAMETER_SCALE / self.members
        self.diameter_weight = nn.Parameter(torch.stack([head.weight[1] for head in heads]) * scale)
        self.diameter_bias = nn.Parameter(torch.stack([head.bias[1] for head in heads]).sum() * scale)

    def forward(self, crops: Tensor) -> Tensor:
        """Return what LesionNet returns. crops: (n, 1, slices, y, x) in 0..1."""
        maps = self.blocks(torch.relu(self.first(crops[:, 0] * 2 - 1)))
        pools = [
            pool.reshape(maps.shape[0], self.members, -1) for pool in (maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)))
        ]
        pooled = torch.cat(pools, dim=2)
        logits = (pooled * self.weight).sum(dim=2) + self.bias
        diameter = (pooled * self.diameter_weight).sum(dim=(1, 2)) + self.diameter_bias
        return torch.cat([torch.sigmoid(logits), diameter[:, None]], dim=1)


class ResidualsBeside(nn.Module):
    """The same Residual block of all members, side by side."""

    def __init__(self, blocks: Sequence[Residual]) -> None:
        super().__init__()
        self.widen = _beside([block.steps for block in blocks], 0)
        self.filter = _beside([block.steps for block in blocks], 3)
        is_plain = len(blocks[0].shortcut) == 0
        self.shortcut = nn.Identity() if is_plain else _beside([block.shortcut for block in blocks], 0)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.filter(torch.relu(self.widen(maps))) + self.shortcut(maps))


def _beside(steps: Sequence[nn.Sequential], at: int, *, shares_input: bool = False) -> nn.Conv2d:
    """Merge the members' convolutions `at`, and the norms after them, into one; the input may be shared."""
    folded = [fuse_conv_bn_eval(cast(nn.Conv2d, own[at]), cast(nn.BatchNorm2d, own[at + 1])) for own in steps]
    one, groups = folded[0], 1 if shares_input else len(steps)
    inputs, outputs = one.in_channels * groups, one.out_channels * len(steps)
    beside = nn.Conv2d(inputs, outputs, one.kernel_size, one.stride, one.padding, groups=groups)  # type: ignore[arg-type]
    beside.weight = nn.Parameter(torch.cat([conv.weight for conv in folded]))
    beside.bias = nn.Parameter(torch.cat([cast(Tensor, conv.bias) for conv in folded]))
    return beside
