"""Fit the slice model's linear layer on cached features of the frozen network (linear probe)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inference.networks.model.architectures import SliceNet
from inference.networks.model.slice_input import prepare_slice

from .imagenet import load_imagenet
from .slice_data import Grey, vary_picture

log = logging.getLogger(__name__)

BATCH = 16
SMALLEST_SPREAD = 1e-3
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SliceRecipe:
    """Everything that decides the outcome besides the data.

    type_penalty, cancer_penalty, doubt_penalty: weights of the squared weights of the linear layers. foreign_share: how
    much pictures that are no chest CT weigh, against those that are. doubts: dimensions of the familiar pictures.
    """

    side: int = 224
    architecture: dict[str, object] = field(
        default_factory=lambda: {"classes": 4, "taps": [4, 7, 10, 14], "grid_taps": [10, 14], "doubts": 24}
    )
    variants: int = 4
    type_penalty: float = 1e-2
    cancer_penalty: float = 0.1
    doubt_penalty: float = 0.03
    foreign_share: float = 0.5
    folds: int = 5
    seed: int = 20


@dataclass(frozen=True, eq=False)
class Linear:
    """The linear layer on features: weight (features, classes), bias (classes)."""

    weight: Floats
    bias: Floats

    def scores(self, features: Floats) -> Floats:
        return features @ self.weight + self.bias


def start_network(recipe: SliceRecipe) -> SliceNet:
    """Return the network with ImageNet weights and an unfitted linear layer."""
    network = SliceNet(**recipe.architecture)  # type: ignore[arg-type]
    load_imagenet(network.features)
    return network.eval()


def features_of(network: SliceNet, greys: Sequence[Grey], recipe: SliceRecipe, variants: int | None = None) -> Floats:
    """Return features (1 + variants, n, features) of the original pictures and of their variants.

    greys: n pictures, each (height, width) uint8. variants: as many as the recipe says, unless given.
    """
    passes = [_pooled(network, greys, recipe.side)]
    for variant in range(1, (recipe.variants if variants is None else variants) + 1):
        varied = [
            vary_picture(grey, np.random.default_rng((recipe.seed, variant, number)))
            for number, grey in enumerate(greys)
        ]
        passes.append(_pooled(network, varied, recipe.side))
        log.info("features of variant %d of %d done", variant, recipe.variants)
    return np.stack(passes)


@torch.no_grad()
def _pooled(network: SliceNet, greys: Sequence[Grey], side: int) -> Floats:
    parts = []
    for start in range(0, len(greys), BATCH):
        batch = np.stack([prepare_slice(grey, side) for grey in greys[start : start + BATCH]])
        parts.append(network.pooled(torch.from_numpy(batch)).numpy())
    return np.concatenate(parts)


def fit_linear(
    features: Floats, label: NDArray[np.int64], penalty: float, weight: NDArray[np.float64] | None = None
) -> Linear:
    """Fit a softmax regression; it standardises the features and folds in the scaling.

    features: (rows, features). label: (rows,) class numbers; two classes get one output, the logit of class 1.
    penalty: factor of the squared weights (L2), after standardising. weight: (rows,) of the rows.
    Minimised by L-BFGS (Liu & Nocedal, 1989).
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + SMALLEST_SPREAD
    inputs = torch.from_numpy((features - mean) / spread)
    shares = np.ones(len(label)) if weight is None else weight / weight.mean()
    fitted, bias = _regress(inputs, torch.from_numpy(label), penalty, torch.from_numpy(shares.astype(np.float32)))
    scaled = fitted / spread[:, None]
    return Linear(scaled, bias - mean @ scaled)


def _regress(inputs: torch.Tensor, label: torch.Tensor, penalty: float, shares: torch.Tensor) -> tuple[Floats, Floats]:
    classes = int(label.max()) + 1
    outputs = 1 if classes <= 2 else classes
    weight = torch.zeros(inputs.shape[1], outputs, requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=80, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        scores = inputs @ weight + bias
        each = (
            functional.binary_cross_entropy_with_logits(scores[:, 0], label.float(), reduction="none")
            if outputs == 1
            else functional.cross_entropy(scores, label, reduction="none")
        )
        value = (each * shares).mean() + penalty * (weight**2).sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    return weight.detach().numpy(), bias.detach().numpy()
