"""Predict probabilities from a crop or a picture, with the shipped weights.

    lesion = load_lesion_predictor(config_path, weights_path)
    [probability] = lesion.probabilities([crop_around(point, scan, lesion.spec)])

    slices = load_slice_predictor(config_path, weights_path)
    [row] = slices.probabilities([picture.grey])          # one number per class, ordered as slices.classes

Both raise WeightsError at loading, and NotFinite when the network returns NaN or infinity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.ct.crop_spec import CropSpec
from inference.networks.model.forward import Forward, fast_forward
from inference.networks.model.slice_input import prepare_slice
from inference.networks.model.weights import ModelConfig, WeightsDamaged, load_network, read_config


class NotFinite(ArithmeticError):
    """The network returned NaN or infinity."""


@dataclass(frozen=True)
class LesionPredictor:
    """The lesion model. spec: the crops that it expects. version: name of its weights."""

    spec: CropSpec
    version: str
    forward: Forward

    def probabilities(self, crops: Sequence[NDArray[np.float32]]) -> list[float]:
        """Return one probability per crop. crops: each (1, Z, Y, X) in 0..1, as `spec` defines."""
        return [float(_finite(self.forward(torch.from_numpy(crop)[None]))[0]) for crop in crops]


@dataclass(frozen=True)
class SlicePredictor:
    """The slice model. classes: names in the order of the outputs. side: pixels of the square the network sees."""

    classes: tuple[str, ...]
    side: int
    version: str
    forward: Forward

    def probabilities(self, greys: Sequence[NDArray[np.uint8]]) -> list[list[float]]:
        """Return one row of probabilities per picture, summing to 1. greys: each (height, width) uint8."""
        return [self.probabilities_prepared(prepare_slice(grey, self.side)) for grey in greys]

    def probabilities_prepared(self, picture: NDArray[np.float32]) -> list[float]:
        """Return one number per class, summing to 1. picture: (1, side, side) as returned by `prepare_slice`."""
        row = _finite(self.forward(torch.from_numpy(picture)[None]))[0].double()
        return [float(value) for value in row / row.sum()]


def load_lesion_predictor(config_path: Path, weights_path: Path) -> LesionPredictor:
    """Load, optimise and check the lesion model. Raises WeightsMissing, WeightsDamaged."""
    config = _config_of_kind("lesion", config_path)
    network = load_network(config, weights_path)
    spec = config.crop_spec()
    return LesionPredictor(spec, config.version, fast_forward(network, _ramp((1, 1, *spec.shape_zyx))))


def load_slice_predictor(config_path: Path, weights_path: Path) -> SlicePredictor:
    """Load, optimise and check the slice model. Raises WeightsMissing, WeightsDamaged."""
    config = _config_of_kind("slice", config_path)
    network = load_network(config, weights_path)
    side = config.picture_side()
    forward = fast_forward(network, _ramp((1, 1, side, side)))
    return SlicePredictor(config.classes, side, config.version, forward)


def _config_of_kind(kind: str, path: Path) -> ModelConfig:
    config = read_config(path)
    if config.kind != kind:
        raise WeightsDamaged(f"{path.name} describes a {config.kind} model, not a {kind} model")
    return config


def _ramp(shape: tuple[int, ...]) -> Tensor:
    """Return an input that spans the range 0..1: the example for tracing and the self-check."""
    return torch.linspace(0, 1, int(np.prod(shape))).reshape(shape)


def _finite(answer: Tensor) -> Tensor:
    if not bool(torch.isfinite(answer).all()):
        raise NotFinite("the network answered no number")
    return answer
