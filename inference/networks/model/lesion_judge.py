"""Combine what the lesion network sees with what can be measured: risk, its spread, size, and a doubt about the place.

The network sees 26 mm. A lesion larger than FULL_SIZE_MM is shown to it smaller, so that it fits, and its size raises
the risk by itself: so the risk does not fall where a lesion outgrows the field.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.ct.crop_spec import CropSpec, window
from inference.ct.lesion_fields import Fields, zoomed
from inference.ct.lesion_shape import NAMES, Shape
from inference.networks.model.architectures import DIAMETER_SCALE
from inference.networks.model.trees import Trees

FULL_SIZE_MM = 18.0
# A lesion counts as large only where lung lies beyond most of its edge: a small nodule on the wall is not the wall.
IN_LUNG_LOW, IN_LUNG_HIGH = 0.5, 0.75
RISK_BY_SIZE = 1.0
HAND_SHARE = 0.2
MEASURED_SHARE, SMALLEST_MM = 0.35, 2.0
# The measures come from the near field: beyond it, the regression's answer passes over to the most that it may say.
HAND_MAX = 3.0
HAND_UP_TO_MM, HAND_ENDS_MM = 22.0, 30.0
# The point, and the corners of a tetrahedron 2 mm from it: as few as spread evenly.
CORNER_MM = 2 / math.sqrt(3)
MOVES_ZYX_MM = (
    (0.0, 0.0, 0.0), (CORNER_MM, CORNER_MM, CORNER_MM), (CORNER_MM, -CORNER_MM, -CORNER_MM),
    (-CORNER_MM, CORNER_MM, -CORNER_MM), (-CORNER_MM, -CORNER_MM, CORNER_MM),
)  # fmt: skip
SMALLEST_PROBABILITY = 1e-6
SPREAD_PERCENTILES = (5, 95)
LENGTHS = tuple(
    name for name in NAMES if name.startswith(("diameter", "narrow", "widest", "median", "ray_", "length", "shift"))
)
DENSITIES = tuple(
    name for name in NAMES
    if name in ("core", "mean", "spread", "brightest", "edge", "outside", "center", "threshold")
    or name[:2] in ("z1", "z2", "z4")
)  # fmt: skip
Floats = NDArray[np.float64]


def effective_size_mm(shape: Shape) -> float:
    """Return the size that zooms out the field: at least FULL_SIZE_MM, and that for whatever hangs on the wall."""
    return float(FULL_SIZE_MM + max(shape.diameter_mm - FULL_SIZE_MM, 0.0) * _trust(shape.in_lung))


def diameter_of(seen_mm: Floats, measured_mm: Floats | float, in_lung: Floats | float) -> Floats:
    """Return the estimated diameter: the network's, drawn towards the measured one where lung surrounds the lesion.

    seen_mm: what the network answers, in mm of the patient. Weighted on the log scale.
    """
    share = MEASURED_SHARE * _trust(in_lung)
    return np.exp((1 - share) * np.log(seen_mm) + share * np.log(np.maximum(measured_mm, SMALLEST_MM)))


def _trust(in_lung: Floats | float) -> Floats:
    return np.asarray(np.clip((np.asarray(in_lung) - IN_LUNG_LOW) / (IN_LUNG_HIGH - IN_LUNG_LOW), 0, 1))


def network_inputs(fields: Fields, shape: Shape, spec: CropSpec) -> NDArray[np.float32]:
    """Return (moves, 1, Z, Y, X) in 0..1: the network's crop at the point and 2 mm beside it on each axis."""
    zoom = effective_size_mm(shape) / FULL_SIZE_MM
    return np.stack([window(zoomed(fields, spec, zoom, move), spec)[None] for move in MOVES_ZYX_MM])


def hand_features(values: Floats) -> Floats:
    """Return the measures (…, len(NAMES)) as the regression takes them: log lengths, densities in 300 HU."""
    scaled = np.array(values, dtype=np.float64)
    lengths = [NAMES.index(name) for name in LENGTHS]
    densities = [NAMES.index(name) for name in DENSITIES]
    scaled[..., lengths] = np.log1p(scaled[..., lengths])
    scaled[..., densities] = np.clip(scaled[..., densities], -1000, 400) / 300
    return scaled


def combined_logit(network: Floats, size_mm: Floats | float, hand: Floats | float) -> Floats:
    """Return the uncalibrated logit: network and size, with HAND_SHARE of the regression on the measures."""
    size = np.asarray(size_mm)
    by_size = RISK_BY_SIZE * np.log(size / FULL_SIZE_MM)
    beyond = np.clip((size - HAND_UP_TO_MM) / (HAND_ENDS_MM - HAND_UP_TO_MM), 0, 1)
    bounded = (1 - beyond) * np.minimum(hand, HAND_MAX) + beyond * HAND_MAX
    return np.asarray((1 - HAND_SHARE) * (network + by_size) + HAND_SHARE * bounded)


@dataclass(frozen=True)
class Judgement:
    """The answer for one point.

    probability: of malignancy. low, high: 5th and 95th percentile of it over members and positions within 2 mm.
    reach: the range of the ensemble's probability over those positions.
    diameter_mm: estimated. size_mm: the effective size. doubt: probability that no lung lesion lies here.
    shift_zyx_mm: to the lesion's middle.
    """

    probability: float
    low: float
    high: float
    reach: float
    diameter_mm: float
    size_mm: float
    doubt: float
    shift_zyx_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class LesionJudge:
    """The fitted numbers beside the network.

    weight, bias: of the regression on hand_features. slope, intercept: Platt's calibration. guard: the trees that tell
    lesions of the lung from other places. guard_limit: the doubt from which a warning is given.
    """

    weight: Floats
    bias: float
    slope: float
    intercept: float
    guard: Trees
    guard_limit: float

    @classmethod
    def of(cls, tables: Mapping[str, Floats]) -> "LesionJudge":
        """Return the judge of a model's tables. Raises KeyError, ValueError."""
        bias, slope, intercept, limit = tables["judge.numbers"].tolist()
        return cls(tables["judge.weight"], bias, slope, intercept, Trees.of(tables, "guard"), limit)

    def tables(self) -> dict[str, Floats]:
        numbers = np.array([self.bias, self.slope, self.intercept, self.guard_limit])
        return {"judge.weight": self.weight, "judge.numbers": numbers, **self.guard.tables("guard")}

    def judge(self, answers: Floats, shape: Shape) -> Judgement:
        """Return the judgement. answers: (moves, members + 1), as LesionNet returns them for `network_inputs`."""
        size = effective_size_mm(shape)
        kept = np.clip(answers[:, :-1], SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        logits = np.log(kept / (1 - kept))
        hand = float(hand_features(shape.values) @ self.weight) + self.bias
        single = self._calibrated(combined_logit(logits, size, hand))
        together = self._calibrated(combined_logit(logits.mean(axis=1), size, hand))
        probability = float(together[0])
        low, high = np.percentile(single, SPREAD_PERCENTILES)
        seen_mm = np.exp(answers[0, -1] / DIAMETER_SCALE + 2) * size / FULL_SIZE_MM
        diameter = float(diameter_of(seen_mm, shape.diameter_mm, shape.in_lung))
        doubt = float(_sigmoid(np.array(-self.guard.logit(shape.values))))
        return Judgement(
            probability, min(float(low), probability), max(float(high), probability),
            float(np.ptp(together)), diameter, size, doubt, shape.shift_zyx_mm,
        )  # fmt: skip

    def _calibrated(self, logits: Floats) -> Floats:
        return _sigmoid(self.slope * logits + self.intercept)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))
