"""Malignancy of a lesion at a point of a CT volume: one probability a case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .base import BadAnswer, CaseFacts, metric_names, probability, value_at

# The names of the HTTP contract, and LUNA25's own column names for containers that ask for those.
FIELD_NAMES = {
    "seriesInstanceUID": "SeriesInstanceUID",
    "lesionID": "LesionID",
    "coordX": "CoordX",
    "coordY": "CoordY",
    "coordZ": "CoordZ",
    "patientID": "PatientID",
    "studyDate": "StudyDate",
    "ageAtStudyDate": "Age_at_StudyDate",
    "gender": "Gender",
}
OPTIONAL_FIELDS = ("patientID", "studyDate", "ageAtStudyDate", "gender")


class LesionKind:
    """LUNA25's task. Truth 0 or 1, predictions (n,) float64 in [0, 1]."""

    name = "lesion"
    title = "Lung lesion malignancy"
    class_names: tuple[str, ...] = ("benign", "malignant")
    has_points = True
    id_columns: tuple[str, ...] = ("annotationid", "id")
    score_columns: tuple[str, ...] = ("probability", "prob", "score", "prediction", "label_score", "label_pred")
    endpoint_path = "/api/v1/predict/lesion"
    probability_path = "data.probability"
    image_suffixes: tuple[str, ...] = (".mha",)  # one file a call: a .mhd has its pixels elsewhere
    contracts: tuple[str, ...] = ("http", "batch")
    optional_fields: tuple[str, ...] = OPTIONAL_FIELDS
    ranking_metric = "auc"

    @property
    def metrics(self) -> tuple[str, ...]:
        return metric_names(self.name)

    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        found = [name for name in self.score_columns if name in header]
        return found[:1], [] if found else ["probability"]

    def row_problem(self, values: Sequence[float]) -> str | None:
        return None

    def shape(self, n_cases: int) -> tuple[int, ...]:
        return (n_cases,)

    def template_header(self) -> list[str]:
        return ["AnnotationID", "probability"]

    def template_values(self) -> list[str]:
        return ["0.5"]

    def read_truth(self, text: str) -> int:
        words = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "benign": 0, "malignant": 1}
        if text.strip().lower() not in words:
            raise ValueError("the label is not 0 or 1")
        return words[text.strip().lower()]

    def request_fields(
        self,
        case: CaseFacts,
        *,
        series: str,
        lesion: int,
        naming: str = "camelCase",
        omit: Collection[str] = (),
    ) -> dict[str, str]:
        """Return the fields of one call.

        series, lesion: the neutral values that stand for the real ones, which leak the truth.
        naming: `camelCase` (the API contract) or `csv` (LUNA25's column names).
        """
        fields = {"seriesInstanceUID": series, "lesionID": str(lesion)} | _coordinates(case)
        fields |= _clinical(case.metadata, series)
        kept = {name: text for name, text in fields.items() if not _is_omitted(name, omit)}
        return kept if naming == "camelCase" else {FIELD_NAMES[name]: text for name, text in kept.items()}

    def read_answer(
        self,
        value: object,
        probability_path: str | None = None,
        *,
        series: str | None = None,
        lesion: int | None = None,
    ) -> tuple[float, ...]:
        path = self.probability_path if probability_path is None else probability_path
        answer = (probability(value_at(value, path)),)
        _check_echo(value, path, series, lesion)
        return answer


def _coordinates(case: CaseFacts) -> dict[str, str]:
    points = {"coordX": case.x_mm, "coordY": case.y_mm, "coordZ": case.z_mm}
    return {name: repr(float(point)) for name, point in points.items() if point is not None}


def _clinical(metadata: Mapping[str, object], series: str) -> dict[str, str]:
    """Return the optional fields a case has. The patient's number is replaced: it can be looked up."""
    fields = {"patientID": f"P-{series}"[:64]}
    for name in ("studyDate", "ageAtStudyDate", "gender"):
        text = str(metadata.get(FIELD_NAMES[name], metadata.get(name, "")) or "").strip()
        if text:
            fields[name] = text
    return fields


def _is_omitted(name: str, omit: Collection[str]) -> bool:
    return name in OPTIONAL_FIELDS and (name in omit or FIELD_NAMES[name] in omit)


def _check_echo(value: object, path: str, series: str | None, lesion: int | None) -> None:
    """Refuse an answer that names another lesion than the one asked for, where it names one at all."""
    parent = value_at(value, path.rpartition(".")[0]) if "." in path else value
    if not isinstance(parent, Mapping):
        return
    for name, sent in (("seriesInstanceUID", series), ("lesionID", lesion)):
        if sent is not None and name in parent and str(parent[name]) != str(sent):
            raise BadAnswer(f"The answer's {name} is not the one that was asked for.")
