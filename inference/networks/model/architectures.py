"""The two networks, as plain torch modules.

Each module also turns its logits into probabilities (temperature, average over
members, calibration), so the saved weights are the complete model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class StageSpec:
    """A row of the EfficientNet table: how often a block is repeated, and the block's shape."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0_STAGES = (
    StageSpec(1, 3, 1, 1, 16),
    StageSpec(2, 3, 2, 6, 24),
    StageSpec(2, 5, 2, 6, 40),
    StageSpec(3, 3, 2, 6, 80),
    StageSpec(3, 5, 1, 6, 112),
    StageSpec(4, 5, 2, 6, 192),
    StageSpec(1, 3, 1, 6, 320),
)
LITE0_STEM = 32
LITE0_FEATURES = 1280
BATCH_NORM_EPS = 1e-3


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and (optionally) ReLU6, padded like TensorFlow's SAME.

    The published weights were trained with that padding, which puts the odd pixel on
    the far side; it is exact for sides divisible by the stride.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ) -> None:
        total = max(kernel - stride, 0)
        near = total // 2
        layers: list[nn.Module] = []
        padding = near
        if total % 2:
            layers.append(nn.ZeroPad2d((near, total - near, near, total - near)))
            padding = 0
        layers.append(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False))
        layers.append(nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS))
        if activation:
            layers.append(nn.ReLU6())
        super().__init__(*layers)


class InvertedBottleneck(nn.Module):
    """MobileNet's inverted bottleneck: expand, filter each channel, project, add the input."""

    def __init__(self, inputs: int, outputs: int, stage: StageSpec, stride: int) -> None:
        super().__init__()
        middle = inputs * stage.expansion
        steps: list[nn.Module] = [] if stage.expansion == 1 else [ConvNorm(inputs, middle, 1)]
        steps.append(ConvNorm(middle, middle, stage.kernel, stride, groups=middle))
        steps.append(ConvNorm(middle, outputs, 1, activation=False))
        self.steps = nn.Sequential(*steps)
        self.keeps_shape = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.steps(maps) if self.keeps_shape else self.steps(maps)


def lite0_blocks() -> nn.Sequential:
    """Return the 16 blocks of EfficientNet-Lite0 between its stem and its head."""
    blocks: list[nn.Module] = []
    channels = LITE0_STEM
    for stage in LITE0_STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            blocks.append(InvertedBottleneck(channels, stage.channels, stage, stride))
            channels = stage.channels
    return nn.Sequential(*blocks)


class Lite0Features(nn.Module):
    """Pooled features of EfficientNet-Lite0: from its head and from chosen blocks before it.

    taps: blocks whose maps are averaged. grid_taps: blocks also averaged over each quarter of the
    picture, which encodes where in the chest something lies.
    """

    def __init__(self, taps: Sequence[int] = (), grid_taps: Sequence[int] = ()) -> None:
        super().__init__()
        self.taps, self.grid_taps = tuple(taps), tuple(grid_taps)
        self.stem = ConvNorm(3, LITE0_STEM, 3, 2)
        self.blocks = lite0_blocks()
        self.head = ConvNorm(LITE0_STAGES[-1].channels, LITE0_FEATURES, 1)

    @property
    def width(self) -> int:
        """Return the number of features."""
        channels = [stage.channels for stage in LITE0_STAGES for _ in range(stage.repeats)]
        quarters = sum(4 * channels[tap] for tap in self.grid_taps)
        return sum(channels[tap] for tap in self.taps) + quarters + LITE0_FEATURES

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features (n, width). pictures: (n, 3, h, w) in -1..1, sides divisible by 32."""
        maps = self.stem(pictures)
        pools = []
        for position, block in enumerate(self.blocks):
            maps = block(maps)
            if position in self.taps:
                pools.append(maps.mean(dim=(2, 3)))
            if position in self.grid_taps:
                pools.append(quarter_means(maps))
        pools.append(self.head(maps).mean(dim=(2, 3)))
        return torch.cat(pools, dim=1)


def quarter_means(maps: Tensor) -> Tensor:
    """Return (n, 4 * channels): means of the four quarters of square maps; odd sides share the middle."""
    side = maps.shape[-1]
    return functional.avg_pool2d(maps, (side + 1) // 2, side // 2).flatten(1)


class SliceNet(nn.Module):
    """Slice model: ImageNet features, then linear layers for cancer or not, for its type, and for two doubts.

    Cancer or not is learnt on more sources than the types, so it has a layer and a temperature of its own. The last
    class is "normal". doubts: dimensions in which familiar pictures are centred on 0 with a spread of 1; 0 of a model
    without doubts.
    """

    temperature: Tensor

    def __init__(self, classes: int, taps: Sequence[int], grid_taps: Sequence[int], doubts: int = 0) -> None:
        super().__init__()
        self.features = Lite0Features(taps, grid_taps)
        self.classify = nn.Linear(self.features.width, classes)
        self.register_buffer("temperature", torch.ones(2))
        self.doubts = doubts
        if doubts:
            self.foreign = nn.Linear(self.features.width, 1)
            self.center = nn.Linear(self.features.width, doubts)

    def pooled(self, pictures: Tensor) -> Tensor:
        """Return features (n, features). pictures: (n, 1, side, side) in 0..1."""
        return self.features((pictures * 2 - 1).expand(-1, 3, -1, -1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (n, classes), and with doubts (n, classes + 2). pictures: (n, 1, side, side) in 0..1.

        The classes' probabilities; then the probability that the picture is no chest CT, and how far it lies from
        familiar ones, d / (d + 1) for the mean squared distance d, which is about 1 for a familiar picture.
        """
        pooled = self.pooled(pictures)
        scores = self.classify(pooled)
        types = torch.softmax(scores[:, :-1] / self.temperature[0], dim=1)
        cancer = torch.sigmoid(scores[:, -1:] / self.temperature[1])
        columns = [types * cancer, 1 - cancer]
        if self.doubts:
            distance = (self.center(pooled) ** 2).mean(dim=1, keepdim=True)
            columns += [torch.sigmoid(self.foreign(pooled)), distance / (distance + 1)]
        return torch.cat(columns, dim=1)


class Residual(nn.Module):
    """Residual block: two 3x3 convolutions and a shortcut; a stride of 2 halves the maps."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.steps(maps) + self.shortcut(maps))


class LesionMember(nn.Module):
    """A small residual network over a few axial slices, which are its input channels.

    Returns three numbers per crop: the malignancy logit and, as auxiliary targets so that it learns
    size and degree, the log diameter and the readers' vote.
    """

    def __init__(self, slices: int, width: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(slices, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            Residual(width, width, 2),
            Residual(width, 2 * width, 2),
            Residual(2 * width, 4 * width, 2),
            Residual(4 * width, 4 * width, 1),
        )
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(8 * width, 3)

    def forward(self, slices: Tensor) -> Tensor:
        """Return (n, 3): logit, log diameter, vote. slices: (n, slices, y, x) in -1..1."""
        maps = self.features(slices)
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return self.heads(self.dropout(pooled))


DIAMETER_SCALE = 0.1


class LesionNet(nn.Module):
    """Ensemble of members that differ by their seed; lesion_judge.py combines and calibrates what they answer."""

    def __init__(self, members: int, slices: int, width: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(LesionMember(slices, width) for _ in range(members))

    def forward(self, crops: Tensor) -> Tensor:
        """Return (n, members + 1): each member's probability before calibration, and the mean log diameter.

        crops: (n, 1, slices, y, x) in 0..1. The last column is DIAMETER_SCALE * (ln(diameter / mm) - 2): as small as
        the probabilities, so that one tolerance fits all columns.
        """
        slices = crops[:, 0] * 2 - 1
        answers = torch.stack([member(slices) for member in self.members], dim=1)
        diameter = DIAMETER_SCALE * answers[:, :, 1].mean(dim=1, keepdim=True)
        return torch.cat([torch.sigmoid(answers[:, :, 0]), diameter], dim=1)
