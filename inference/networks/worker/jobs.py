"""Request handlers of the model process: the only code that handles both untrusted pixels and the networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.ct.cropping import crop_around
from inference.ct.geometry import PointOutsideScan, contains
from inference.ct.lesion_fields import Fields
from inference.ct.reading.metaimage import ScanFile, open_scan
from inference.ct.reading.picture import Picture, read_picture
from inference.ct.units import refuse_other_units
from inference.networks.answers import (
    CleanPicture,
    LesionAnswer,
    LesionViews,
    ModelUnavailable,
    PictureStatistics,
    SliceAnswer,
    SliceExplanation,
    SliceWarning,
)
from inference.networks.model.rendering import FIELD_MM, VIEW_SPEC, heat_over, planes
from inference.networks.model.slice_doubts import looks_inverted, refuse_blank
from inference.networks.model.slice_input import body_box
from inference.networks.worker.lesion_readings import readings_at

if TYPE_CHECKING:  # a process that only cleans pictures has no torch to import
    from inference.networks.model.predictor import LesionPredictor, SlicePredictor

Request = dict[str, Any]


@dataclass(frozen=True)
class RequestHandlers:
    """The loaded models; None for a model that could not be loaded."""

    lesion: LesionPredictor | None
    slices: SlicePredictor | None

    def run(self, request: Request) -> Any:
        """Return the answer to a request of calls.py. Raises the errors that answers.py lists."""
        began = time.monotonic()
        return getattr(self, f"_{request['call']}")(request, began)

    def _lesion_probability(self, request: Request, began: float) -> LesionAnswer:
        model = _loaded(self.lesion)
        with open_scan(*request["files"]) as scan:
            refuse_other_units(scan.grid)
            outside = [n for n, point in enumerate(request["points"]) if not contains(scan.grid, point)]
            inside = [point for n, point in enumerate(request["points"]) if n not in outside]
            if not inside:
                raise PointOutsideScan
            readings, fields = readings_at(
                inside,
                scan,
                model,
                recenter=request.get("recenter", False),
                allow_non_hu=request.get("allow_non_hu", False),
            )
            return LesionAnswer(readings, model.version, _ms(began), _scan_statistics(scan, fields), outside)

    def _lesion_views(self, request: Request, began: float) -> LesionViews:
        answer = self._lesion_probability(request, began)
        with open_scan(*request["files"]) as scan:
            axial, coronal, sagittal = planes(crop_around(answer.readings[0].point_xyz_mm, scan, VIEW_SPEC))
        return LesionViews(answer, axial, coronal, sagittal, FIELD_MM)

    def _slice_probabilities(self, request: Request, began: float) -> SliceAnswer:
        model = _loaded(self.slices)
        return self._slice_answer(model, read_picture(request["files"][0]), began)

    def _slice_explanation(self, request: Request, began: float) -> SliceExplanation:
        from inference.networks.model.occlusion import confidence_drops

        model = _loaded(self.slices)
        picture = read_picture(request["files"][0])
        answer = self._slice_answer(model, picture, began)
        drops = confidence_drops(model, picture.grey, answer.pred_index)
        height, width = picture.grey.shape
        overlay = heat_over(drops, body_box(picture.grey), (height, width))
        return SliceExplanation(answer, picture.as_png(), overlay, drops.tolist())

    def _clean_picture(self, request: Request, began: float) -> CleanPicture:
        picture = read_picture(request["files"][0])
        return CleanPicture(picture.as_png(), grey_statistics(picture.grey))

    def _slice_answer(self, model: SlicePredictor, picture: Picture, began: float) -> SliceAnswer:
        refuse_blank(picture.grey, is_unseen=picture.is_unseen)
        reading = model.reading(picture.grey)
        row = reading.probabilities
        index = int(np.argmax(row))
        codes: dict[SliceWarning, bool] = {
            "LOW_RANGE": picture.is_low_range,
            "INVERTED": looks_inverted(picture.grey),
        }
        return SliceAnswer(
            pred_index=index,
            pred_class=model.classes[index],
            confidence=row[index],
            probabilities=dict(zip(model.classes, row, strict=True)),
            statistics=grey_statistics(picture.grey),
            model_version=model.version,
            processing_ms=_ms(began),
            warnings=[*(code for code, applies in codes.items() if applies), *reading.warnings],
        )


def grey_statistics(grey: NDArray[np.uint8]) -> PictureStatistics:
    """Return the statistics for drift, computed from the counts of the 256 grey levels."""
    counts = np.bincount(grey.ravel(), minlength=256)
    levels = np.arange(256)
    mean = float(counts @ levels / grey.size)
    p01, p50, p99 = np.percentile(grey, (1, 50, 99))
    height, width = grey.shape
    return PictureStatistics(
        mean=mean,
        std=float(np.sqrt(counts @ (levels - mean) ** 2 / grey.size)),
        min=float(grey.min()),
        max=float(grey.max()),
        p01=float(p01),
        p50=float(p50),
        p99=float(p99),
        height=height,
        width=width,
    )


def _scan_statistics(scan: ScanFile, fields: Sequence[Fields]) -> dict[str, float]:
    size_z, size_y, size_x = scan.grid.shape_zyx
    spacing_x, spacing_y, spacing_z = scan.grid.spacing_xyz_mm.tolist()
    first = fields[0].near
    values = (first.mean(), first.std(), first.min(), first.max())
    return {
        "size_x": size_x, "size_y": size_y, "size_z": size_z,
        "spacing_x_mm": spacing_x, "spacing_y_mm": spacing_y, "spacing_z_mm": spacing_z,
        **dict(zip(("hu_mean", "hu_std", "hu_min", "hu_max"), map(float, values), strict=True)),
    }  # fmt: skip


def _loaded(model: Any) -> Any:
    if model is None:
        raise ModelUnavailable
    return model


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
