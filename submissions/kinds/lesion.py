"""Malignancy of a lesion at a point of a CT volume: one probability per case."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from .base import (
    BadAnswer,
    BatchFiles,
    CaseContent,
    Facts,
    Record,
    SentCase,
    UnexpectedAnswer,
    lesion_of,
    point_xyz_mm,
    series_of,
)
from .classification import ClassificationKind, probability, value_at
from .clinical import READERS
from .subgroups import clinical_facts, group_facts

# The field names of the HTTP contract, and LUNA25's own column names for containers that expect those.
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
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "benign": 0, "malignant": 1}
SCORE_COLUMNS = ("probability", "prob", "score", "prediction", "label_score", "label_pred")
VERSION = {"major": 1, "minor": 0}
MAX_FACT_LENGTH = 64

REQUEST_GUIDE = """\
A phase of **lesions** posts to `/api/v1/predict/lesion`:

| field | what |
| --- | --- |
| `file` | the CT volume (`.mha`), under a new name for each call |
| `seriesInstanceUID`, `lesionID` | neutral values drawn for this attempt; send them back as they are |
| `coordX`, `coordY`, `coordZ` | the point in world millimetres, LPS |
| `patientID`, `studyDate`, `ageAtStudyDate`, `gender` | where the dataset has them, unless you ask to omit them |

Answer `200` with JSON that holds a finite number in [0, 1] at `data.probability` (or the place you name). The label is
computed by the platform; your own label and time are not used.

```json
{"status": "success", "data": {"seriesInstanceUID": "…", "lesionID": 4711, "probability": 0.83}}
```"""

TABLE_GUIDE = """\
takes LUNA25's columns as they are: `SeriesInstanceUID`, `LesionID`, `CoordX/Y/Z` (world mm, LPS), `label` (0 or 1),
and where you have them `PatientID`, `AnnotationID`, `StudyDate`, `Age_at_StudyDate`, `Gender`. Values as pandas writes
them are converted to the contract's form (`55.0`, `20010101.0`, `2001-01-01`, `F`, `055Y`; LesionID `1.0`); ambiguous
values are refused, with their row. A case's id is `AnnotationID`, else `id`, else `<SeriesInstanceUID>_<LesionID>`; its
image (`.mha`) is named by the `file` column, else it is `<SeriesInstanceUID>.mha`."""

BATCH_GUIDE = """\
For phases of **lesions**; LUNA25's images run unchanged.

| path | what |
| --- | --- |
| `/input/images/chest-ct/<name>.mha` | the CT volume |
| `/input/inputs.json` | the sockets: slug, kind and path of each, with its value or image's name |
| `/input/nodule-locations.json` | `{"points": [{"name": "4711", "point": [x, y, z]}, …], …}`, world millimetres, LPS |
| `/input/clinical-information-lung-ct.json` | `age` and `gender` where the dataset has them, else `null` |
| `/opt/ml/model` | read-only, your model archive, if you sent one apart from the image |
| `/output/lung-nodule-malginancy-likelihoods.json` | yours: each point by `name`, with a `probability` from 0 to 1 |

A phase may name other slugs. The published name of the output is spelt so; `…-malignancy-…` is taken too."""


class LesionBatch(BatchFiles):
    """The files of LUNA25's algorithms on Grand Challenge: a CT with its points, a likelihood for each."""

    sockets = {
        "image": ("chest-ct", "Image"),
        "points": ("nodule-locations", "Multiple points"),
        "clinical": ("clinical-information-lung-ct", "Anything"),
        "output": ("lung-nodule-malginancy-likelihoods", "Anything"),
    }
    # The published spelling first; the right one is accepted too.
    output_names = ("lung-nodule-malginancy-likelihoods.json", "lung-nodule-malignancy-likelihoods.json")
    guide = BATCH_GUIDE

    def inputs(self, cases: Sequence[SentCase]) -> dict[str, Any]:
        return {
            "points": points_of_interest(cases),
            "clinical": clinical_information(cases[0].facts.get("clinical", {})),
        }

    def read_output(self, value: object, cases: Sequence[SentCase]) -> Iterator[tuple[float, ...]]:
        """Yield the probability of each point. Raises BadAnswer unless exactly the sent points came back."""
        points = _named_points(value)
        answers = {point["name"]: point for point in points}
        names = [str(case.number) for case in cases]
        if answers.keys() != set(names) or len(points) != len(names):
            raise UnexpectedAnswer("The output does not name exactly the points that were sent.")
        for name in names:
            yield (probability(value_at(answers[name], "probability")),)


class LesionKind(ClassificationKind):
    """LUNA25's task. Truth 0 or 1, predictions (n,) float64 in [0, 1].

    Facts: `series`, `lesion`, `point_xyz_mm` (patient space, mm, LPS), `clinical` (LUNA25's column names), `groups`
    (`site`, `diameter_mm`).
    """

    name = "lesion"
    title = "Lung lesion malignancy"
    class_names = ("benign", "malignant")
    n_values = 1
    table_example = (
        "AnnotationID,PatientID,SeriesInstanceUID,CoordX,CoordY,CoordZ,label,Gender,Age_at_StudyDate,diameter_mm,site\n"
        "A1,P1,1.2.840.1,56.2,86.3,-115.9,1,Male,61,23.4,Leiden\n"
        "A2,P2,1.2.840.2,-118.1,94.8,-230.2,0,Female,57,4.6,Nijmegen\n"
    )
    table_guide = TABLE_GUIDE
    id_columns = ("annotationid", "id")
    fact_meanings = {
        "lesion": ("number", "The number of the lesion in its scan."),
        "point_xyz_mm": ("mm", "Where the lesion is: x, y, z in patient space, LPS as in ITK."),
    }
    metrics = (
        "auc", "sensitivity_at_95_specificity", "specificity_at_95_sensitivity", "average_precision", "brier", "ece",
        "calibration_slope", "calibration_intercept", "log_loss", "accuracy", "precision", "recall", "specificity",
        "f1",
    )  # fmt: skip
    ranking_metric = "auc"
    curves = ("roc", "pr", "reliability")
    endpoint_path = "/api/v1/predict/lesion"
    probability_path = "data.probability"
    answer_sentence = "a number at `data.probability`"
    request_guide = REQUEST_GUIDE
    optional_fields = OPTIONAL_FIELDS
    csv_field_names = FIELD_NAMES
    batch = LesionBatch()

    def read_row(self, record: Record) -> CaseContent:
        facts: dict[str, Any] = {"point_xyz_mm": point_xyz_mm(record)}
        facts |= {"series": series_of(record)[:MAX_FACT_LENGTH], "lesion": lesion_of(record)[:MAX_FACT_LENGTH]}
        facts |= {"clinical": clinical_facts(record), "groups": group_facts(record)}
        return CaseContent(self.read_label(record["label"]), {name: value for name, value in facts.items() if value})

    def points_xyz_mm(self, content: CaseContent) -> list[list[float]]:
        return [content.facts["point_xyz_mm"]]

    def read_label(self, text: str) -> int:
        """Return the class that a table's cell names. Raises ValueError with a sentence."""
        if text.strip().lower() not in LABELS:
            raise ValueError("the label is not 0 or 1")
        return LABELS[text.strip().lower()]

    def shown(self, facts: Facts) -> dict[str, str]:
        shown = {"series": facts.get("series", ""), "lesion": facts.get("lesion", "")}
        shown["point (x, y, z mm, LPS)"] = ", ".join(f"{at:g}" for at in facts.get("point_xyz_mm", ()))
        shown |= facts.get("clinical", {}) | {name: str(value) for name, value in facts.get("groups", {}).items()}
        return {name.replace("_", " "): text for name, text in shown.items() if text}

    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        found = [name for name in SCORE_COLUMNS if name in header]
        return found[:1], [] if found else ["probability"]

    def template_header(self) -> list[str]:
        return ["AnnotationID", "probability"]

    def template_values(self) -> list[str]:
        return ["0.5"]

    def csv_sentences(self) -> list[str]:
        names = ", ".join(f"`{name}`" for name in SCORE_COLUMNS)
        return [
            f"An id column, `AnnotationID` or `id`, and one score column: the first present of {names}.",
            "Each id exactly once; each value a number from 0 to 1.",
        ]

    def request_fields(
        self, facts: Facts, *, series: str, lesion: int, naming: str = "camelCase", omit: Collection[str] = ()
    ) -> dict[str, str]:
        """Return the fields of one call. naming: `camelCase` (the contract) or `csv` (LUNA25's column names)."""
        point = facts.get("point_xyz_mm") or ()
        fields = {"seriesInstanceUID": series, "lesionID": str(lesion)}
        fields |= {name: repr(float(at)) for name, at in zip(("coordX", "coordY", "coordZ"), point, strict=False)}
        fields |= _clinical_fields(facts.get("clinical", {}), series)
        kept = {name: text for name, text in fields.items() if not _is_omitted(name, omit)}
        return kept if naming == "camelCase" else {FIELD_NAMES[name]: text for name, text in kept.items()}

    def read_answer(
        self, value: object, path: str | None = None, *, series: str | None = None, lesion: int | None = None
    ) -> tuple[float, ...]:
        path = self.probability_path if path is None else path
        answer = (probability(value_at(value, path)),)
        _check_echo(value, path, series, lesion)
        return answer


def _clinical_fields(clinical: Facts, series: str) -> dict[str, str]:
    """Return the optional fields of a case. The patient's number is replaced, because it could be looked up.

    An older dataset may hold values that a table may no longer contain; the contract promises to leave them out.
    """
    fields = {"patientID": f"P-{series}"[:64]}
    for name in ("studyDate", "ageAtStudyDate", "gender"):
        text = str(clinical.get(FIELD_NAMES[name], "") or "").strip()
        with contextlib.suppress(ValueError):
            fields |= {name: READERS[FIELD_NAMES[name]](text)} if text else {}
    return fields


def _is_omitted(name: str, omit: Collection[str]) -> bool:
    return name in OPTIONAL_FIELDS and (name in omit or FIELD_NAMES[name] in omit)


def _check_echo(value: object, path: str, series: str | None, lesion: int | None) -> None:
    """Refuse an answer that names a lesion other than the requested one; an answer without a name is accepted."""
    parent = value_at(value, path.rpartition(".")[0]) if "." in path else value
    if not isinstance(parent, Mapping):
        return
    for name, sent in (("seriesInstanceUID", series), ("lesionID", lesion)):
        if sent is not None and name in parent and str(parent[name]) != str(sent):
            raise BadAnswer(f"The answer's {name} is not the one that was asked for.")


def points_of_interest(cases: Sequence[SentCase]) -> dict[str, Any]:
    points = [{"name": str(case.number), "point": list(case.facts["point_xyz_mm"])} for case in cases]
    return {"name": "Points of interest", "type": "Multiple points", "points": points, "version": VERSION}


def clinical_information(clinical: Facts) -> dict[str, Any]:
    age = str(clinical.get("Age_at_StudyDate", "") or "").strip()
    gender = str(clinical.get("Gender", "") or "").strip().upper()
    return {
        "age": int(float(age)) if age.replace(".", "", 1).isdigit() else None,
        "gender": gender if gender in ("MALE", "FEMALE") else None,
        "smoking_status": "Unknown",
        "clinical_category": None,
        "regional_nodes_category": None,
        "metastasis_category": None,
    }


def _named_points(value: object) -> list[dict[str, Any]]:
    points = value.get("points") if isinstance(value, dict) else None
    if not isinstance(points, list) or not all(
        isinstance(point, dict) and isinstance(point.get("name"), str) for point in points
    ):
        raise UnexpectedAnswer("The output has no list of named points.")
    return points


KIND = LesionKind()
