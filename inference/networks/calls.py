"""The calls of the model service by name, shared by both transports: a local process and a model server."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .answers import NO_WISHES, CleanPicture, LesionAnswer, LesionViews, LesionWishes, SliceAnswer, SliceExplanation

ANSWER_TYPES: dict[str, type] = {
    "lesion_probability": LesionAnswer,
    "lesion_views": LesionViews,
    "slice_probabilities": SliceAnswer,
    "slice_explanation": SliceExplanation,
    "clean_picture": CleanPicture,
}
CALLS_WITHOUT_MODEL = ("clean_picture",)

PointXYZ = tuple[float, float, float]
AnyPath = Path | str


class ModelCalls(ABC):
    """Turns each method of ModelService into one `_ask`."""

    @abstractmethod
    def _ask(self, call: str, files: list[AnyPath], parameters: dict[str, Any], timeout_s: float) -> Any:
        """Return the answer to `call`, of its type in ANSWER_TYPES; files: the file, then its raw file."""

    def lesion_probability(
        self,
        path: AnyPath,
        raw_path: AnyPath | None,
        points_xyz_mm: Sequence[PointXYZ],
        timeout_s: float,
        wishes: LesionWishes = NO_WISHES,
    ) -> LesionAnswer:
        points = [[float(value) for value in point] for point in points_xyz_mm]
        parameters = {"points": points, **asdict(wishes)}
        answer: LesionAnswer = self._ask("lesion_probability", _files(path, raw_path), parameters, timeout_s)
        return answer

    def lesion_views(
        self,
        path: AnyPath,
        raw_path: AnyPath | None,
        point_xyz_mm: PointXYZ,
        timeout_s: float,
        wishes: LesionWishes = NO_WISHES,
    ) -> LesionViews:
        parameters = {"points": [[float(value) for value in point_xyz_mm]], **asdict(wishes)}
        answer: LesionViews = self._ask("lesion_views", _files(path, raw_path), parameters, timeout_s)
        return answer

    def slice_probabilities(self, path: AnyPath, timeout_s: float) -> SliceAnswer:
        answer: SliceAnswer = self._ask("slice_probabilities", [path], {}, timeout_s)
        return answer

    def slice_explanation(self, path: AnyPath, timeout_s: float) -> SliceExplanation:
        answer: SliceExplanation = self._ask("slice_explanation", [path], {}, timeout_s)
        return answer

    def clean_picture(self, path: AnyPath, timeout_s: float) -> CleanPicture:
        answer: CleanPicture = self._ask("clean_picture", [path], {}, timeout_s)
        return answer


def _files(path: AnyPath, raw_path: AnyPath | None) -> list[AnyPath]:
    return [path] if raw_path is None else [path, raw_path]
