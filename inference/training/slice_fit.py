"""Fit the slice model's linear layer on cached features of the frozen network (linear probe)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from torch.nn import functional

from inference.networks.model.architectures import SliceNet
from inference.networks.model.slice_input import prepare_slice
from inference.slice_classes import SLICE_CLASSES

from .imagenet import load_imagenet
from .slice_data import Grey, vary_picture

log = logging.getLogger(__name__)

BATCH = 16
SMALLEST_SPREAD = 1e-3
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SliceRecipe:
    """Everything that decides the outcome besides the data. penalty: weight of the squared weights."""

    side: int = 224
    architecture: dict[str, object] = field(
        default_factory=lambda: {"classes": 4, "taps": [4, 7, 10, 14], "grid_taps": [10, 14]}
    )
    variants: int = 4
    penalty: float = 1e-2
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


def features_of(network: SliceNet, greys: Sequence[Grey], recipe: SliceRecipe) -> Floats:
    """Return features (1 + variants, n, features) of the original pictures and of their variants.

    greys: n pictures, each (height, width) uint8.
    """
    passes = [_pooled(network, greys, recipe.side)]
    for variant in range(1, recipe.variants + 1):
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


def fit_linear(features: Floats, label: NDArray[np.int64], penalty: float) -> Linear:
    """Fit a softmax regression on all passes together; it standardises the features and folds in the scaling.

    features: (passes, n, features). label: (n,) class numbers, the same in each pass.
    penalty: factor of the squared weights (L2), after standardising. Minimised by L-BFGS (Liu & Nocedal, 1989).
    """
    rows = features.reshape(-1, features.shape[-1])
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + SMALLEST_SPREAD
    inputs = torch.from_numpy((rows - mean) / spread)
    weight, bias = _regress(inputs, torch.from_numpy(np.tile(label, len(features))), penalty)
    scaled = weight / spread[:, None]
    return Linear(scaled, bias - mean @ scaled)


def _regress(inputs: torch.Tensor, label: torch.Tensor, penalty: float) -> tuple[Floats, Floats]:
    weight = torch.zeros(inputs.shape[1], len(SLICE_CLASSES), requires_grad=True)
    bias = torch.zeros(len(SLICE_CLASSES), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=60, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(inputs @ weight + bias, label) + penalty * (weight**2).sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    return weight.detach().numpy(), bias.detach().numpy()


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out predictions, for pictures whose group the fit had not seen.

    scores: (n, classes) of the original pictures. varied: (variants, n, classes) of their variants.
    """

    scores: Floats
    varied: Floats


def cross_validate(
    features: Floats, label: NDArray[np.int64], groups: NDArray[np.str_], recipe: SliceRecipe, folds: int
) -> HeldOut:
    """Fit without each fold in turn and return the predictions for it; pictures of one group share a fold.

    features: (1 + variants, n, features). label: (n,) class numbers. groups: (n,).
    Raises ValueError if there are fewer groups than folds.
    """
    scores = np.zeros((*features.shape[:2], len(SLICE_CLASSES)), dtype=np.float32)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=recipe.seed)
    for seen, held_out in splitter.split(label, label, groups):
        linear = fit_linear(features[:, seen], label[seen], recipe.penalty)
        scores[:, held_out] = linear.scores(features[:, held_out])
    return HeldOut(scores[0], scores[1:])


def fit_temperature(scores: Floats, label: NDArray[np.int64]) -> float:
    """Return the temperature, from a fixed list of candidates, with the lowest log loss on held-out scores.

    scores: (n, classes) before softmax. label: (n,) class numbers.
    Source: Guo et al., On Calibration of Modern Neural Networks (2017).
    """
    ladder = np.geomspace(0.25, 4, 161)
    target, table = torch.from_numpy(label), torch.from_numpy(scores)
    losses = [float(functional.cross_entropy(table / float(step), target)) for step in ladder]
    return float(ladder[int(np.argmin(losses))])


def softmax(scores: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities of scores (..., classes), each row summing to 1."""
    shifted = np.exp((scores - scores.max(axis=-1, keepdims=True)).astype(np.float64) / temperature)
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
