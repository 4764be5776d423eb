"""What a kind of task has to say about itself, and the errors of reading a container's answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# A row of a truth table: its cells, trimmed, by column name in lower case.
Record = Mapping[str, str]
# What the platform keeps of a case beside its truth, as JSON; only the kind knows what is in it.
Facts = Mapping[str, Any]


# Single precision makes 1.0000001 of a one; what lies so little outside a range is taken for its bound.
RANGE_TOLERANCE = 1e-6


class BadAnswer(Exception):
    """A container's answer holds no usable prediction. `note` never quotes the answer."""

    code = "BAD_PREDICTION"

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class UnexpectedAnswer(BadAnswer):
    """An output file has another form than the contract asks for."""

    code = "OUTPUT_SCHEMA"


@dataclass(frozen=True)
class CaseContent:
    """What the rows of one case say, as JSON values. truth stays with the platform; facts are shown and sent on."""

    truth: Any
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SentCase:
    """A case as a container sees it: its facts under neutral names, which say nothing of the truth."""

    facts: Facts
    series: str
    number: int


class BatchFiles(ABC):
    """The files of a kind that the batch contract serves: one start for each image."""

    image_folder: ClassVar[str]
    # Names the output file may have, of which the first is the one participants are told.
    output_names: ClassVar[tuple[str, ...]]
    # What the participants' guide says of the files, in Markdown.
    guide: ClassVar[str]

    @abstractmethod
    def inputs(self, cases: Sequence[SentCase]) -> dict[str, Any]:
        """Return the JSON files below /input by name, for the cases of one image."""

    @abstractmethod
    def read_output(self, value: object, cases: Sequence[SentCase]) -> Iterator[Any]:
        """Yield the answer to each case from the decoded output file. Raises BadAnswer, UnexpectedAnswer."""


class Kind(ABC):
    """Everything that differs between tasks. Instances are stateless values.

    Truth, facts and answers are JSON values of the kind's own. `predictions` are all answers of a submission as one
    numpy array whose first axis is the case, so that `len` and a mask work on it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]] = ()

    # The truth table.
    table_columns: ClassVar[tuple[str, ...]] = ("label",)
    table_id_columns: ClassVar[tuple[str, ...]]
    table_id_sentence: ClassVar[str]
    rows_may_repeat: ClassVar[bool] = False  # whether several rows may be about one case
    image_suffixes: ClassVar[tuple[str, ...]] = (".mha",)  # one file a call: a .mhd has its pixels elsewhere

    # The CSV of predictions. rows_a_case: the least and the most rows a case may have.
    id_columns: ClassVar[tuple[str, ...]]
    rows_a_case: ClassVar[tuple[int, int]] = (1, 1)

    # Scoring, by the names under which `scoring` knows its metrics and curves, in the order they are shown.
    metrics: ClassVar[tuple[str, ...]]
    ranking_metric: ClassVar[str]
    curves: ClassVar[tuple[str, ...]]

    # The HTTP contract serves a kind that has a path, the batch contract one that has files.
    endpoint_path: ClassVar[str] = ""
    answer_sentence: ClassVar[str] = ""
    # What the participants' guide says of the request's fields and the answer, in Markdown.
    request_guide: ClassVar[str] = ""
    # Fields of a request that a participant may ask to leave out.
    optional_fields: ClassVar[tuple[str, ...]] = ()
    batch: ClassVar[BatchFiles | None] = None

    # The truth table

    def case_id(self, record: Record) -> str:
        """Return the id of the case a row is about; "" where the row has none."""
        return record.get("annotationid") or record.get("id") or series_and_lesion(record) or record.get("file", "")

    def image_name(self, record: Record) -> str:
        """Return the name of the image of a row's case in the images folder; "" where there is none."""
        series = series_of(record)
        return record.get("file") or (f"{series}.mha" if series else "")

    @abstractmethod
    def read_row(self, record: Record) -> CaseContent:
        """Return what a row says. Raises ValueError with a sentence."""

    def merge(self, rows: Sequence[CaseContent]) -> CaseContent:
        """Return what all rows of a case say together."""
        return rows[0]

    def points_xyz_mm(self, content: CaseContent) -> list[list[float]]:
        """Return the points of its image that a case names: [x, y, z] in patient space, mm, LPS."""
        return []

    @abstractmethod
    def split_problem(self, truths: Sequence[Any]) -> str | None:
        """Return why no metric can rank on cases of these truths, as the end of "the split …", or None."""

    def series_key(self, facts: Facts) -> str:
        """Return what the cases of one series have in common, "" where nothing is known."""
        return str(facts.get("series", ""))

    def shown(self, facts: Facts) -> dict[str, str]:
        """Return what staff read of a case, by label."""
        return {name.replace("_", " "): str(value) for name, value in facts.items()}

    # The CSV

    @abstractmethod
    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return (columns that hold the values, names that are missing) of a lower-cased header."""

    def value_range(self, column: str) -> tuple[float, float]:
        """Return the least and the most a value of a (lower-cased) column may be."""
        return 0.0, 1.0

    def row_problem(self, values: Sequence[float]) -> str | None:
        """Return why the values of one row do not fit together, or None."""
        return None

    @abstractmethod
    def answer_of(self, rows: Sequence[Sequence[float]]) -> Any:
        """Return the answer that the rows of one case give."""

    @abstractmethod
    def template_header(self) -> list[str]: ...

    @abstractmethod
    def template_values(self) -> list[str]:
        """Return the values of a template's row: they are valid and say nothing."""

    @abstractmethod
    def csv_sentences(self) -> list[str]:
        """Return what a participant has to know of the columns and rows; names stand in `backticks`."""

    # Scoring

    @abstractmethod
    def gather(self, answers: Sequence[Any]) -> NDArray[Any]:
        """Return the predictions: the answers of all cases in their order."""

    @abstractmethod
    def truths(self, truths: Sequence[Any]) -> NDArray[Any]:
        """Return the truth of all cases in their order, in the form the kind's metrics take."""

    @abstractmethod
    def pack(self, predictions: NDArray[Any]) -> bytes:
        """Return predictions as bytes to keep: what `unpack` gives back bit for bit."""

    @abstractmethod
    def unpack(self, packed: bytes | memoryview) -> NDArray[Any]:
        """Return what `pack` was given. Raises ValueError if the bytes are not of its making."""

    # Containers

    def request_fields(
        self, facts: Facts, *, series: str, lesion: int, naming: str = "camelCase", omit: Collection[str] = ()
    ) -> dict[str, str]:
        """Return the form fields of one request, without the file.

        series, lesion: the neutral values that stand for the real ones, which leak the truth.
        """
        return {}

    def read_answer(
        self, value: object, path: str | None = None, *, series: str | None = None, lesion: int | None = None
    ) -> Any:
        """Return the answer in decoded JSON. path: where it lies, instead of the usual place. Raises BadAnswer."""
        raise BadAnswer(f"No container answers for {self.title}.")


def series_of(record: Record) -> str:
    return record.get("seriesinstanceuid", "")


def clipped(value: float, low: float, high: float) -> float | None:
    """Return `value` within [low, high], where it lies at most RANGE_TOLERANCE outside; else None."""
    if not low - RANGE_TOLERANCE <= value <= high + RANGE_TOLERANCE:  # NaN fails this too
        return None
    return min(max(float(value), low), high)


def series_and_lesion(record: Record) -> str:
    series = series_of(record)
    return f"{series}_{record.get('lesionid', '')}" if series else ""


def finite(record: Record, column: str) -> float:
    """Return a cell as a number. Raises ValueError with a sentence."""
    try:
        value = float(record.get(column, ""))
    except ValueError:
        raise ValueError(f"{column} is no number: {record.get(column, '')!r}") from None
    if not np.isfinite(value):
        raise ValueError(f"{column} is not finite")
    return value


def point_xyz_mm(record: Record) -> list[float]:
    """Return [x, y, z] of the columns CoordX, CoordY, CoordZ: patient space, mm, LPS. Raises ValueError."""
    return [finite(record, column) for column in ("coordx", "coordy", "coordz")]
