"""The cases of a submission with the answers that its current evaluation keeps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from submissions.disclosure import SAMPLE
from submissions.models import Evaluation, Phase


class CaseRow(NamedTuple):
    """What is read of a case; the fields are those of the table."""

    public_id: str
    split: str
    truth: Any
    facts: dict[str, Any]
    patient: str
    image: str


@dataclass(frozen=True)
class Answers:
    """The answered cases of one split. predictions: in the form of the kind, one per case."""

    split: str
    cases: list[CaseRow]
    predictions: NDArray[Any]


def answers_of(phase: Phase, evaluation: Evaluation, splits: Collection[str]) -> list[Answers]:
    """Return cases and predictions by split, in the order of `splits`; without those that have none.

    Predictions of another version of the dataset belong to other cases: then there are none of the counted splits.
    """
    rows = phase.dataset.cases.order_by("position")
    if set(splits) <= {SAMPLE}:
        rows = rows.filter(split=SAMPLE)
    cases = [CaseRow(*row) for row in rows.values_list(*CaseRow._fields)] if splits else []
    found = (_samples(phase, evaluation, cases) if split == SAMPLE else _counted(phase, evaluation, cases, split)
             for split in splits)  # fmt: skip
    return [answers for answers in found if answers is not None]


def _samples(phase: Phase, evaluation: Evaluation, cases: list[CaseRow]) -> Answers | None:
    answers = evaluation.sample_answers
    answered = [case for case in cases if case.split == SAMPLE and case.public_id in answers]
    if not answered:
        return None
    return Answers(SAMPLE, answered, phase.kind.gather([answers[case.public_id] for case in answered]))


def _counted(phase: Phase, evaluation: Evaluation, cases: list[CaseRow], split: str) -> Answers | None:
    counted = [case for case in cases if case.split != SAMPLE]
    chosen = np.array([case.split == split for case in counted], dtype=bool)
    if evaluation.predictions is None or not chosen.any():
        return None
    predictions = phase.kind.unpack(evaluation.predictions)
    if len(predictions) != len(counted) or evaluation.dataset_hash != phase.dataset.content_hash:
        return None
    return Answers(split, [case for case in counted if case.split == split], predictions[chosen])
