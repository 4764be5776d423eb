"""The shared base of classification kinds: one row per case, with one probability or one per class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from . import packing
from .base import BadAnswer, Facts, Floats, Judgement, Kind, clipped
from .subgroups import TABLE_OPTIONAL, subgroups_of

SUM_TOLERANCE = 0.01
# By whether the case is positive, and whether it is called so (p ≥ 0.5).
OUTCOMES = {
    (True, True): "true positive",
    (True, False): "false negative",
    (False, True): "false positive",
    (False, False): "true negative",
}


class ClassificationKind(Kind):
    """A kind whose truth is a class number and whose answer is the probabilities of the classes.

    n_values: 1 for the probability of class 1 (predictions are (n,)), else one for each class ((n, classes)).
    """

    n_values: ClassVar[int]
    # The dotted path of the probability (or of the classes' probabilities) in an answer.
    probability_path: ClassVar[str]
    table_id_columns = ("annotationid", "id", "seriesinstanceuid", "file")
    table_id_sentence = "AnnotationID, id, SeriesInstanceUID and LesionID, or file"
    table_optional = TABLE_OPTIONAL

    def split_problem(self, truths: Sequence[Any]) -> str | None:
        classes = set(truths)
        return None if len(classes) > 1 else f"holds one class only (label {min(classes)})"

    def answer_of(self, rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
        return tuple(rows[0])

    def gather(self, answers: Sequence[Any]) -> Floats:
        """Return (n,) probabilities of class 1, or (n, classes)."""
        values = np.array([tuple(answer) for answer in answers], dtype=np.float64)
        return values.reshape(self.shape(len(answers)))

    def shape(self, n_cases: int) -> tuple[int, ...]:
        return (n_cases,) if self.n_values == 1 else (n_cases, self.n_values)

    def truths(self, truths: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return (n,) class numbers."""
        return np.array(truths, dtype=np.int64)

    def subgroups(self, facts: Facts) -> dict[str, str]:
        return subgroups_of(facts)

    def judged(self, truth: Any, answer: Any) -> Judgement:
        """Return 1 − the probability of the true class. Two classes have four outcomes, more have `right` and `wrong`.

        truth: the class number. answer: the probability of class 1, or of each class.
        """
        values = [float(value) for value in np.atleast_1d(answer)]
        if self.n_values == 1:
            return Judgement(abs(truth - values[0]), OUTCOMES[truth == 1, values[0] >= 0.5])
        return Judgement(1 - values[truth], "right" if int(np.argmax(values)) == truth else "wrong")

    def pack(self, predictions: Floats) -> bytes:
        return packing.pack(predictions)

    def unpack(self, packed: bytes | memoryview) -> Floats:
        return packing.unpack(packed)


def probability(value: object) -> float:
    """Return `value` as a probability. Raises BadAnswer unless it is a finite JSON number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadAnswer("The answer holds no number where the probability should be.")
    within = clipped(value, 0, 1)
    if within is None:
        raise BadAnswer("The probability in the answer is not a finite number between 0 and 1.")
    return within


def value_at(value: object, path: str) -> object:
    """Follow a dotted path (`data.2.probability`) through objects and lists. Raises BadAnswer."""
    for step in path.split(".") if path else []:
        value = _child(value, step, path)
    return value


def _child(value: object, step: str, path: str) -> object:
    if isinstance(value, Mapping) and step in value:
        return value[step]
    if isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
        return value[int(step[:9])]
    raise BadAnswer(f"The answer has nothing at {path}.")


def sum_problem(values: Sequence[float]) -> str | None:
    """Return why a row of class probabilities is invalid, or None. Allows a sum of 1 ± 0.01."""
    total = math.fsum(values)
    if abs(total - 1) <= SUM_TOLERANCE + 1e-9:
        return None
    return f"the class probabilities sum to {total:.4f}, not to 1 (±{SUM_TOLERANCE})"
