"""The data dictionary: what each column and field of the files that a phase hands out means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from submissions.models import Phase

TEMPLATE, SAMPLES, CASES = "template.csv", "samples.csv", "cases.json of the starter kit"
MEANINGS = {
    "id": ("text", "The case's id: unique, and without a meaning."),
    "annotationid": ("text", "The case's id: one lesion of one scan."),
    "seriesuid": ("text", "The scan's id."),
    "probability": ("0 to 1", "Your answer: the probability, by your model."),
    "coordx": ("mm", "Patient space, LPS as in ITK: grows to the patient's left."),
    "coordy": ("mm", "Patient space, LPS as in ITK: grows to the patient's back."),
    "coordz": ("mm", "Patient space, LPS as in ITK: grows to the patient's head."),
    "truth": ("text", "The reference standard of a sample case."),
    "file": ("text", "The image's name beside cases.json; several cases may share one."),
    "series": ("text", "The scan's id: cases of one scan share it."),
    "Gender": ("Male or Female", "As in the scan's header."),
    "Age_at_StudyDate": ("years", "Age on the day of the scan."),
    "StudyDate": ("YYYYMMDD", "The day of the scan."),
    "diameter_mm": ("mm", "The size of the lesion, as measured by its readers."),
    "site": ("text", "Where the scan is from."),
    "PatientID": ("text", "The patient: cases of one patient share it."),
}


@dataclass(frozen=True)
class Column:
    file: str
    name: str
    unit: str
    meaning: str


def dictionary_of(phase: Phase, samples: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Return the columns of the template and of the samples, and the fields of the sample cases.

    samples: the facts of the phase's sample cases.
    """
    return [*_template(phase), *_samples(phase), *_facts(phase, samples)]


def _template(phase: Phase) -> Iterator[Column]:
    if not phase.accepts_csv:
        return
    for name in phase.kind.template_header():
        of_class = ("0 to 1", f"Your answer: the probability of the class {name}.")
        yield Column(TEMPLATE, name, *MEANINGS.get(name.lower(), of_class))


def _samples(phase: Phase) -> Iterator[Column]:
    meaning = MEANINGS["truth"][1]
    classes = ", ".join(phase.kind.class_names)
    yield Column(SAMPLES, "id", *MEANINGS["id"])
    yield Column(SAMPLES, "truth", f"one of {classes}" if classes else "JSON", meaning)


def _facts(phase: Phase, samples: Iterable[Mapping[str, Any]]) -> Iterator[Column]:
    """Yield the fields that the sample cases really have."""
    names: dict[str, None] = {}
    meanings = {**MEANINGS, **phase.kind.fact_meanings}
    for facts in samples:
        for name, value in facts.items():
            names |= dict.fromkeys(value if isinstance(value, dict) else [name])
    for name in names:
        yield Column(CASES, name, *meanings.get(name, ("", "A value of the dataset, as its organisers gave it.")))
