"""Predict with the shipped weights, from a scan and points or from a picture.

    lesion = load_lesion_predictor(config_path, weights_path)
    [reading] = lesion.readings([point_xyz_mm], scan)

    slices = load_slice_predictor(config_path, weights_path)
    [row] = slices.probabilities([picture.grey])          # one number per class, ordered as slices.classes

Both raise WeightsError at loading, NotFinite when the network returns NaN or infinity, and NotAProbability when it
returns what its description calls probabilities and is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from inference.ct.crop_spec import CropSpec, window
from inference.ct.cropping import crop_each_hu
from inference.ct.lesion_fields import Fields, fields_around
from inference.ct.lesion_shape import measure
from inference.ct.volume import Scan
from inference.networks.answers import LesionReading, SliceWarning
from inference.networks.model.forward import Forward, fast_forward
from inference.networks.model.lesion_doubts import lesion_warnings
from inference.networks.model.lesion_judge import LesionJudge, network_inputs
from inference.networks.model.slice_doubts import SliceLimits, slice_warnings
from inference.networks.model.slice_input import prepare_slice, whole_slice
from inference.networks.model.weights import ModelConfig, WeightsDamaged, load_model, read_config

Prepare = Callable[[NDArray[np.uint8], int], NDArray[np.float32]]
PREPARATIONS: dict[str, Prepare] = {"body": prepare_slice, "whole": whole_slice}


# In single precision, and of a network of somebody else's, a probability may lie this far outside 0 to 1.
OUTSIDE = 1e-3


class NotFinite(ArithmeticError):
    """The network returned NaN or infinity."""


class NotAProbability(ArithmeticError):
    """The network of somebody else's returned other numbers than its description says."""


@dataclass(frozen=True)
class LesionPredictor:
    """The lesion model.

    spec: the crops that it expects. version: name of its weights.
    judge: what is computed beside the network; None for a model of somebody else's, whose answer is taken as it is.
    """

    spec: CropSpec
    version: str
    forward: Forward
    judge: LesionJudge | None = None

    def readings(self, points_xyz_mm: Sequence[ArrayLike], scan: Scan, fields: Sequence[Fields]) -> list[LesionReading]:
        """Return one reading per point. points_xyz_mm: world mm (LPS), inside `scan`. fields: around each point."""
        pairs = list(zip(points_xyz_mm, fields, strict=True))
        if self.judge is None:
            crops = crop_each_hu(points_xyz_mm, scan, self.spec)
            return [self._plain(point, crop) for point, crop in zip(points_xyz_mm, crops, strict=True)]
        return [self._judged(point, scan, field, self.judge) for point, field in pairs]

    def probabilities(self, points_xyz_mm: Sequence[ArrayLike], scan: Scan) -> list[float]:
        """Return the probability of malignancy at each point, without the warnings."""
        points = list(points_xyz_mm)
        if not points:
            return []
        return [reading.probability for reading in self.readings(points, scan, fields_around(points, scan))]

    def _plain(self, point_xyz_mm: ArrayLike, crop_hu: NDArray[np.float32]) -> LesionReading:
        crop = np.ascontiguousarray(window(crop_hu, self.spec)[None])
        answer = _finite(self.forward(torch.from_numpy(crop)[None])).double().reshape(-1)
        probability = answer[0] if answer.numel() == 1 else torch.sigmoid(torch.logit(answer[:-1]).mean())
        [share] = _shares([float(probability)])
        return LesionReading(share, point_xyz_mm=_place(point_xyz_mm))

    def _judged(self, point_xyz_mm: ArrayLike, scan: Scan, fields: Fields, judge: LesionJudge) -> LesionReading:
        shape = measure(fields)
        answers = _finite(self.forward(torch.from_numpy(network_inputs(fields, shape, self.spec))))
        judgement = judge.judge(answers.double().numpy(), shape)
        found = lesion_warnings(judgement, judge.guard_limit, point_xyz_mm, scan)
        return LesionReading(
            judgement.probability, judgement.low, judgement.high, judgement.diameter_mm, _place(point_xyz_mm),
            warnings=found,
        )  # fmt: skip


@dataclass(frozen=True)
class SliceReading:
    """The answer for one picture. probabilities: one per class, summing to 1. warnings: codes of SLICE_WARNINGS."""

    probabilities: list[float]
    warnings: list[SliceWarning]


@dataclass(frozen=True)
class SlicePredictor:
    """The slice model.

    classes: names in the order of the outputs. side: pixels of the square the network sees.
    limits: from which of its two doubts a warning is given; None of a model without doubts.
    """

    classes: tuple[str, ...]
    side: int
    version: str
    forward: Forward
    limits: SliceLimits | None = None
    prepare: Prepare = prepare_slice

    def reading(self, grey: NDArray[np.uint8]) -> SliceReading:
        """Return the answer for a picture (height, width) uint8."""
        return self.reading_prepared(self.prepare(grey, self.side))

    def reading_prepared(self, picture: NDArray[np.float32]) -> SliceReading:
        """Return the answer for (1, side, side) as returned by `prepare_slice`."""
        row = _finite(self.forward(torch.from_numpy(picture)[None]))[0].double().tolist()
        shares, doubts = _shares(row[: len(self.classes)]), row[len(self.classes) :]
        total = sum(shares)
        found = [] if self.limits is None else slice_warnings(doubts[0], doubts[1], self.limits)
        return SliceReading([share / total for share in shares], found)

    def probabilities(self, greys: Sequence[NDArray[np.uint8]]) -> list[list[float]]:
        """Return one row of probabilities per picture, summing to 1. greys: each (height, width) uint8."""
        return [self.reading(grey).probabilities for grey in greys]


def load_lesion_predictor(config_path: Path, weights_path: Path) -> LesionPredictor:
    """Load, optimise and check the lesion model. Raises WeightsMissing, WeightsDamaged."""
    config = _config_of_kind("lesion", config_path)
    network, tables = load_model(config, weights_path)
    spec = config.crop_spec()
    _must_answer(network, _ramp((1, 1, *spec.shape_zyx)), None, config)
    forward = fast_forward(network, _ramp((1, 1, *spec.shape_zyx)))
    return LesionPredictor(spec, config.version, forward, _judge_of(tables, config))


def _judge_of(tables: Mapping[str, NDArray[np.float64]], config: ModelConfig) -> LesionJudge | None:
    try:
        return LesionJudge.of(tables) if tables else None
    except (KeyError, ValueError) as error:
        raise WeightsDamaged(f"{config.version} lacks the numbers beside its network") from error


def load_slice_predictor(config_path: Path, weights_path: Path) -> SlicePredictor:
    """Load, optimise and check the slice model. Raises WeightsMissing, WeightsDamaged."""
    config = _config_of_kind("slice", config_path)
    network, tables = load_model(config, weights_path)
    side = config.picture_side()
    _must_answer(network, _ramp((1, 1, side, side)), len(config.classes), config)
    forward = fast_forward(network, _ramp((1, 1, side, side)))
    limits = SliceLimits(*tables["limits"].tolist()) if "limits" in tables else None
    prepare = PREPARATIONS[config.input.get("prepare", "body")]
    return SlicePredictor(config.classes, side, config.version, forward, limits, prepare)


def _must_answer(network: nn.Module, example: Tensor, classes: int | None, config: ModelConfig) -> None:
    """Raise WeightsDamaged if somebody else's network does not answer an input with the numbers described."""
    if config.format != "exported":
        return
    try:
        with torch.inference_mode():
            answer = network(example)
            found, low, high = answer.shape[1], float(answer.min()), float(answer.max())
    except Exception as error:
        raise WeightsDamaged(f"{config.version} fails on an input of {tuple(example.shape)}") from error
    if found != (classes or 1):
        raise WeightsDamaged(f"{config.version} answers {found} numbers, but its config names {classes or 1}")
    if low < -OUTSIDE or high > 1 + OUTSIDE:
        raise WeightsDamaged(
            f"{config.version} answers {low:.3g} to {high:.3g}, which are no probabilities: say output: logits"
        )


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


def _shares(values: list[float]) -> list[float]:
    """Return probabilities, of which rounding may have left some just outside 0 to 1. Raises NotAProbability."""
    if min(values) < -OUTSIDE or max(values) > 1 + OUTSIDE:
        raise NotAProbability("the network answered no probability")
    return [min(max(value, 0.0), 1.0) for value in values]


def _place(point_xyz_mm: ArrayLike) -> list[float]:
    return [float(value) for value in np.asarray(point_xyz_mm, dtype=np.float64)]
