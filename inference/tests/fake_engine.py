"""A model service without a model: real readers, made-up numbers. test_api_service compares it with the real one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.ct.geometry import PointOutsideScan, contains
from inference.ct.reading.metaimage import open_scan
from inference.ct.reading.picture import Picture, read_picture
from inference.networks.answers import (
    NO_WISHES,
    CleanPicture,
    LesionAnswer,
    LesionReading,
    LesionViews,
    LesionWishes,
    ModelStatus,
    PictureStatistics,
    ServiceStatus,
    SliceAnswer,
    SliceExplanation,
)
from inference.slice_classes import SLICE_CLASSES

VERSION = "fake-1"


class FakeEngine:
    """`failing`: raised instead of answering. `seen`: the paths it was handed."""

    def __init__(self) -> None:
        self.failing: Exception | None = None
        self.seen: list[str] = []
        self.probability = 0.5
        self.wishes = NO_WISHES
        self.lesion_warnings: list[str] = []
        self.slice_warnings: list[str] = []

    def start(self) -> None: ...

    def close(self) -> None: ...

    def status(self) -> ServiceStatus:
        return ServiceStatus("cpu", [ModelStatus(name, "loaded", VERSION) for name in ("lesion", "slice")])

    def lesion_probability(
        self, path, raw_path, points_xyz_mm: Sequence, timeout_s: float, wishes: LesionWishes = NO_WISHES
    ) -> LesionAnswer:
        self._begin(path)
        with open_scan(path, raw_path) as scan:
            outside = [n for n, point in enumerate(points_xyz_mm) if not contains(scan.grid, point)]
            if len(outside) == len(points_xyz_mm):
                raise PointOutsideScan
            scan.read_blocks([((0, 0, 0), (1, 1, 1))])
        self.wishes = wishes
        readings = [self._reading(point) for n, point in enumerate(points_xyz_mm) if n not in outside]
        return LesionAnswer(readings, VERSION, 3, {"hu_mean": -512.0}, outside)

    def _reading(self, point_xyz_mm) -> LesionReading:
        spread = self.probability * 0.9, self.probability
        return LesionReading(self.probability, *spread, 7.25, list(point_xyz_mm), 0.0, list(self.lesion_warnings))

    def lesion_views(self, path, raw_path, point_xyz_mm, timeout_s: float, wishes=NO_WISHES) -> LesionViews:
        answer = self.lesion_probability(path, raw_path, [point_xyz_mm], timeout_s, wishes)
        png = Picture(np.full((64, 64), 90, np.uint8)).as_png()
        return LesionViews(answer, png, png, png, 50.0)

    def slice_probabilities(self, path, timeout_s: float) -> SliceAnswer:
        self._begin(path)
        probabilities = dict(zip(SLICE_CLASSES, (0.7, 0.1, 0.1, 0.1), strict=True))
        return SliceAnswer(
            0, SLICE_CLASSES[0], 0.7, probabilities, statistics_of(path), VERSION, 2, list(self.slice_warnings)
        )

    def slice_explanation(self, path, timeout_s: float) -> SliceExplanation:
        answer = self.slice_probabilities(path, timeout_s)
        png = read_picture(path).as_png()
        return SliceExplanation(answer, png, png, [[0.0, 0.4], [0.1, 0.0]])

    def clean_picture(self, path, timeout_s: float) -> CleanPicture:
        self._begin(path)
        return CleanPicture(read_picture(path).as_png(), statistics_of(path))

    def _begin(self, path: Path | str) -> None:
        self.seen.append(str(path))
        if self.failing is not None:
            raise self.failing


def statistics_of(path: Path | str) -> PictureStatistics:
    grey = read_picture(path).grey
    p01, p50, p99 = (float(value) for value in np.percentile(grey, (1, 50, 99)))
    return PictureStatistics(
        float(grey.mean()),
        float(grey.std()),
        float(grey.min()),
        float(grey.max()),
        p01,
        p50,
        p99,
        *grey.shape,
    )
