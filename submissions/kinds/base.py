"""What a kind of task has to say about itself, and the errors of reading a container's answer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SUM_TOLERANCE = 0.01


class BadAnswer(Exception):
    """A container's answer holds no usable prediction. `note` never quotes the answer."""

    code = "BAD_PREDICTION"

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class CaseFacts(Protocol):
    """What `request_fields` reads of a case; a row of the Case table fits as it is."""

    x_mm: float | None
    y_mm: float | None
    z_mm: float | None
    metadata: Mapping[str, Any]


class Kind(Protocol):
    """Everything that differs between tasks. Instances are stateless values."""

    name: str
    title: str
    class_names: tuple[str, ...]
    # Whether each case is a point of its image, so that a table has to give coordinates.
    has_points: bool
    id_columns: tuple[str, ...]
    # The names one value column may have, of which the first present counts; none where each class has its column.
    score_columns: tuple[str, ...]
    endpoint_path: str
    probability_path: str
    image_suffixes: tuple[str, ...]
    contracts: tuple[str, ...]
    # Fields of a request that a participant may ask to leave out.
    optional_fields: tuple[str, ...]
    ranking_metric: str

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that fit, in the order they are shown."""
        ...

    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return (columns that hold the values, names that are missing) of a lower-cased header."""
        ...

    def row_problem(self, values: Sequence[float]) -> str | None:
        """Return why the values of one row do not fit together, or None."""
        ...

    def shape(self, n_cases: int) -> tuple[int, ...]:
        """Return the shape of the predictions of `n_cases` cases: (n,) or (n, classes).

        It decides which metrics fit and which curves are drawn.
        """
        ...

    def template_header(self) -> list[str]: ...

    def template_values(self) -> list[str]: ...

    def read_truth(self, text: str) -> int:
        """Return the truth a table's cell names. Raises ValueError with a sentence."""
        ...

    def request_fields(
        self,
        case: CaseFacts,
        *,
        series: str,
        lesion: int,
        naming: str = "camelCase",
        omit: Collection[str] = (),
    ) -> dict[str, str]:
        """Return the form fields of one request, without the file."""
        ...

    def read_answer(
        self,
        value: object,
        probability_path: str | None = None,
        *,
        series: str | None = None,
        lesion: int | None = None,
    ) -> tuple[float, ...]:
        """Return the probabilities in a decoded JSON answer. Raises BadAnswer."""
        ...


def metric_names(kind: str) -> tuple[str, ...]:
    """Return the metrics registered for a kind. Imported when asked, since scoring imports the kinds."""
    from submissions.scoring.metrics import metrics_of

    return tuple(metrics_of(kind))


def probability(value: object) -> float:
    """Return `value` as a probability. Raises BadAnswer unless it is a finite JSON number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadAnswer("The answer holds no number where the probability should be.")
    if not 0 <= value <= 1:  # NaN and infinities fail this too
        raise BadAnswer("The probability in the answer is not a finite number between 0 and 1.")
    return float(value)


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
    """Return why a row of class probabilities is none, or None. Allows a sum of 1 ± 0.01."""
    total = math.fsum(values)
    if abs(total - 1) <= SUM_TOLERANCE + 1e-9:
        return None
    return f"the class probabilities sum to {total:.4f}, not to 1 (±{SUM_TOLERANCE})"
