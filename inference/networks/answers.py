"""Answers and errors of the model service. Plain values: no torch, no Django.

ServiceError              has .code and .note (a sentence for the caller)
  ModelUnavailable        503 MODEL_UNAVAILABLE: weights missing, damaged or not loaded
  ServiceBusy             503 TRY_AGAIN with Retry-After: .retry_after_s
  TimedOut                504 GATEWAY_TIMEOUT: the work has been stopped
  ModelFailed             422 PROCESSING_ERROR: the model failed on a readable input
inference.ct.reading.errors.InvalidImageFile     400: .code is the reason, .note the sentence
inference.ct.geometry.PointOutsideScan     400 VALIDATION_ERROR: no voxel contains any of the coordinates
"""

import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

# A number that the model process may return: neither NaN nor infinite.
Finite = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
# The codes of answer_warnings.py, which a test compares with these.
LesionWarning = Literal[
    "NOT_HU",
    "DEFAULT_GEOMETRY",
    "POINT_NOT_IN_LUNG_LESION",
    "LARGER_THAN_FIELD",
    "THICK_SLICES",
    "NEAR_BORDER",
    "UNSTABLE",
]
SliceWarning = Literal["LOW_RANGE", "INVERTED", "NOT_A_CHEST_CT", "UNFAMILIAR_SOURCE"]


class ServiceError(Exception):
    """The service cannot answer."""

    code = "INTERNAL_SERVER_ERROR"
    note = "The model service could not answer."

    def __init__(self, note: str | None = None) -> None:
        self.note = note or self.note
        super().__init__(self.note)


class ModelUnavailable(ServiceError):
    code = "MODEL_UNAVAILABLE"
    note = "Model not loaded. Ask again in a while; /health says when it is."  # older clients look for these words


class ServiceBusy(ServiceError):
    """Too many requests wait, or the process is restarting: retry after `retry_after_s` whole seconds."""

    code = "TRY_AGAIN"
    note = "The model is busy. Please try again in a moment."

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class TimedOut(ServiceError):
    code = "GATEWAY_TIMEOUT"
    note = "The model took too long, and was stopped."


class ModelFailed(ServiceError):
    code = "PROCESSING_ERROR"
    note = "The model could not work with this input."


@dataclass(frozen=True)
class LesionWishes:
    """What a caller may ask of an answer.

    recenter: judge the middle of the lesion at the point. allow_non_hu: answer although voxels are not Hounsfield
    units.
    """

    recenter: bool = False
    allow_non_hu: bool = False


NO_WISHES = LesionWishes()


@dataclass(frozen=True)
class LesionReading:
    """The answer for one point.

    probability: of malignancy, in [0, 1]. low, high: where it lies over the network's members and positions within
    2 mm, from the 5th to the 95th percentile; None of a model that has no members. diameter_mm: estimated, or None.
    point_xyz_mm: the place that was judged. moved_mm: how far that is from the point asked for (0 without recenter).
    warnings: codes of answer_warnings.LESION_WARNINGS.
    """

    probability: Finite
    low: Finite | None = None
    high: Finite | None = None
    diameter_mm: Finite | None = None
    point_xyz_mm: list[Finite] = field(default_factory=list)
    moved_mm: Finite = 0.0
    warnings: list[LesionWarning] = field(default_factory=list)


@dataclass(frozen=True)
class LesionAnswer:
    """The answers for the points of one scan.

    readings: one per point, in the order of the request; the points of `outside` have none.
    outside: positions, in the requested list, of points that no voxel of the scan contains.
    statistics: plain numbers for the call log, about the scan and the first point's crop: hu_mean, hu_std,
    hu_min, hu_max, size_x, size_y, size_z, spacing_x_mm, spacing_y_mm, spacing_z_mm. Never pixels.
    processing_ms: time in the model process, whole milliseconds.
    """

    readings: list[LesionReading]
    model_version: str
    processing_ms: int
    statistics: dict[str, Finite] = field(default_factory=dict)
    outside: list[int] = field(default_factory=list)

    @property
    def probabilities(self) -> list[float]:
        """Return the probability of each reading."""
        return [reading.probability for reading in self.readings]

    @property
    def warnings(self) -> list[str]:
        """Return the codes of all readings, each once."""
        return sorted({code for reading in self.readings for code in reading.warnings})


@dataclass(frozen=True)
class LesionViews:
    """The answer for one lesion with three views: 8-bit grey PNGs centred on the point.

    axial, coronal, sagittal: PNG bytes, square, `field_mm` wide; the patient's right is at the left, the head is up.
    """

    answer: LesionAnswer
    axial: bytes
    coronal: bytes
    sagittal: bytes
    field_mm: Finite


@dataclass(frozen=True)
class PictureStatistics:
    """8-bit grey statistics of a picture as sent, before any resizing: the columns of the drift CSV."""

    mean: Finite
    std: Finite
    min: Finite
    max: Finite
    p01: Finite
    p50: Finite
    p99: Finite
    height: int
    width: int


@dataclass(frozen=True)
class SliceAnswer:
    """The classes of a slice.

    probabilities: class name to probability, in class order, summing to 1.
    warnings: codes of answer_warnings.SLICE_WARNINGS.
    """

    pred_index: int
    pred_class: str
    confidence: Finite
    probabilities: dict[str, Finite]
    statistics: PictureStatistics
    model_version: str
    processing_ms: int
    warnings: list[SliceWarning] = field(default_factory=list)


@dataclass(frozen=True)
class SliceExplanation:
    """A slice's answer with an occlusion map.

    picture: PNG bytes, the slice as read. overlay: PNG bytes (RGBA) of the same size, redder where covering
    the picture lowers the confidence. drops: rows of that drop (0..1), a coarse grid over the part that the network
    sees.
    """

    answer: SliceAnswer
    picture: bytes
    overlay: bytes
    drops: list[list[Finite]]


@dataclass(frozen=True)
class CleanPicture:
    """A re-encoded picture. png: PNG bytes without metadata, the only form that is ever stored or served."""

    png: bytes
    statistics: PictureStatistics


@dataclass(frozen=True)
class ModelStatus:
    """The state of one model: "loaded", "starting", "off" (LOAD_MODEL=0), "missing", "damaged" or "failed".

    reason: why it is not loaded, a sentence that names the file but no folder.
    """

    name: str
    state: str
    version: str = ""
    reason: str = ""

    @property
    def is_loaded(self) -> bool:
        return self.state == "loaded"


@dataclass(frozen=True)
class ServiceStatus:
    device: str
    models: list[ModelStatus]

    @property
    def all_loaded(self) -> bool:
        return all(model.is_loaded for model in self.models)
