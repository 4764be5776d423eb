"""Fit the slice model's linear layers on both sources: cancer or not, its type, and the two doubts."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold
from torch.nn import functional

from inference.networks.model.architectures import SliceNet
from inference.slice_classes import SLICE_CLASSES

from .slice_fit import Linear, SliceRecipe, fit_linear

NORMAL = SLICE_CLASSES.index("normal")
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures as features, of both sources.

    features: (1 + variants, n, features). label: (n,) class numbers. group: (n,) what must share a fold.
    has_type: (n,) whether the cancer's type is known (and the picture belongs to the first source).
    """

    features: Floats
    label: Labels
    group: NDArray[np.str_]
    has_type: NDArray[np.bool_]

    def of(self, rows: NDArray[np.int64]) -> "Examples":
        return Examples(self.features[:, rows], self.label[rows], self.group[rows], self.has_type[rows])


@dataclass(frozen=True, eq=False)
class Heads:
    """The fitted layers. center: maps features to dimensions in which familiar pictures have mean 0 and spread 1."""

    types: Linear
    cancer: Linear
    foreign: Linear
    center: Linear


@dataclass(frozen=True, eq=False)
class Scores:
    """What the layers answer for n pictures. types: (n, 3). cancer, foreign: (n,) logits. distance: (n,), about 1."""

    types: Floats
    cancer: Floats
    foreign: Floats
    distance: Floats

    def probabilities(self, temperature: tuple[float, float]) -> NDArray[np.float64]:
        """Return (n, 4) probabilities as SliceNet answers them. temperature: of types and of cancer."""
        shares = softmax(self.types, temperature[0])
        cancer = expit(self.cancer.astype(np.float64) / temperature[1])[:, None]
        return np.hstack([shares * cancer, 1 - cancer])


def fit_heads(examples: Examples, foreign: Floats, chests: Floats, recipe: SliceRecipe) -> Heads:
    """Return the layers. foreign, chests: (m, features) of pictures that are no chest CT, and of more that are."""
    rows = _all_passes(examples)
    passes = len(examples.features)
    label, has_type = np.tile(examples.label, passes), np.tile(examples.has_type, passes)
    typed = has_type & (label != NORMAL)
    familiar = np.concatenate([rows, chests])
    both = np.concatenate([familiar, foreign])
    is_foreign = np.repeat([0, 1], [len(familiar), len(foreign)])
    weight = np.where(is_foreign == 1, recipe.foreign_share * len(familiar) / len(foreign), 1.0)
    return Heads(
        fit_linear(rows[typed], label[typed], recipe.type_penalty),
        fit_linear(rows, (label != NORMAL).astype(np.int64), recipe.cancer_penalty),
        fit_linear(both, is_foreign, recipe.doubt_penalty, weight),
        _whitened(rows, int(str(recipe.architecture["doubts"])), recipe.seed),
    )


def _whitened(rows: Floats, dimensions: int, seed: int) -> Linear:
    """Return the principal components of the features, each scaled to a spread of 1 (Mahalanobis, 1936)."""
    found = PCA(dimensions, random_state=seed).fit(rows)
    weight = (found.components_ / np.sqrt(found.explained_variance_)[:, None]).T.astype(np.float32)
    return Linear(weight, (-found.mean_ @ weight).astype(np.float32))


def scores_of(heads: Heads, features: Floats) -> Scores:
    """Return what the layers answer for features (n, features)."""
    return Scores(
        heads.types.scores(features),
        heads.cancer.scores(features)[:, 0],
        heads.foreign.scores(features)[:, 0],
        (heads.center.scores(features) ** 2).mean(axis=1),
    )


def cross_validate(
    examples: Examples, foreign: Floats, chests: Floats, recipe: SliceRecipe
) -> tuple[Scores, NDArray[np.int64]]:
    """Return each original picture's scores by layers that had not seen its group, and its fold.

    Raises ValueError if there are fewer groups than folds.
    """
    fold = np.zeros(len(examples.label), dtype=np.int64)
    parts: list[tuple[NDArray[np.int64], Scores]] = []
    splitter = StratifiedGroupKFold(recipe.folds, shuffle=True, random_state=recipe.seed)
    stratum = examples.label + 10 * examples.has_type
    for number, (seen, unseen) in enumerate(splitter.split(stratum, stratum, examples.group)):
        heads = fit_heads(examples.of(seen), foreign, chests, recipe)
        parts.append((unseen, scores_of(heads, examples.features[0, unseen])))
        fold[unseen] = number
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    columns = ("types", "cancer", "foreign", "distance")
    joined = {name: np.concatenate([getattr(scores, name) for _, scores in parts])[order] for name in columns}
    return Scores(**joined), fold


def fit_temperatures(scores: Scores, examples: Examples) -> tuple[float, float]:
    """Return the temperatures of types and of cancer with the lowest log loss on held-out scores.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017).
    """
    typed = examples.has_type & (examples.label != NORMAL)
    types, label = torch.from_numpy(scores.types[typed]), torch.from_numpy(examples.label[typed])
    cancer = torch.from_numpy(scores.cancer)
    target = torch.from_numpy((examples.label != NORMAL).astype(np.float32))
    ladder = np.geomspace(0.25, 8, 201)
    by_type = [float(functional.cross_entropy(types / float(step), label)) for step in ladder]
    by_cancer = [float(functional.binary_cross_entropy_with_logits(cancer / float(step), target)) for step in ladder]
    return float(ladder[int(np.argmin(by_type))]), float(ladder[int(np.argmin(by_cancer))])


def set_heads(network: SliceNet, heads: Heads, temperature: tuple[float, float]) -> None:
    """Put the fitted layers into the network."""
    with torch.no_grad():
        network.classify.weight.copy_(torch.from_numpy(np.hstack([heads.types.weight, heads.cancer.weight]).T))
        network.classify.bias.copy_(torch.from_numpy(np.concatenate([heads.types.bias, heads.cancer.bias])))
        network.foreign.weight.copy_(torch.from_numpy(heads.foreign.weight.T))
        network.foreign.bias.copy_(torch.from_numpy(heads.foreign.bias))
        network.center.weight.copy_(torch.from_numpy(heads.center.weight.T))
        network.center.bias.copy_(torch.from_numpy(heads.center.bias))
        network.temperature.copy_(torch.tensor(temperature))


def softmax(scores: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return probabilities of scores (..., classes), each row summing to 1."""
    shifted = np.exp((scores - scores.max(axis=-1, keepdims=True)).astype(np.float64) / temperature)
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _all_passes(examples: Examples) -> Floats:
    return examples.features.reshape(-1, examples.features.shape[-1])
