"""The interface of a kind of task, and the errors of reading a container's answer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# A row of a ground-truth table: its cells, trimmed, by column name in lower case.
Record = Mapping[str, str]
# The data that the platform keeps of a case beside its truth, as JSON; only the kind interprets it.
Facts = Mapping[str, Any]


# In single precision 1 may become 1.0000001; a value this close outside a range is set to the bound.
RANGE_TOLERANCE = 1e-6
WHOLE_AS_FLOAT = re.compile(r"([0-9]+)\.0*")


class BadAnswer(Exception):
    """A container's answer holds no usable prediction. `note` never quotes the answer."""

    code = "BAD_PREDICTION"

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class UnexpectedAnswer(BadAnswer):
    """An output file does not have the form that the contract requires."""

    code = "OUTPUT_SCHEMA"


@dataclass(frozen=True)
class CaseContent:
    """The content of all rows of one case, as JSON values. truth stays on the platform; facts are shown and sent."""

    truth: Any
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """How wrong one answer is. error: 0 is right, larger is worse; outcome: in words, the same for like cases."""

    error: float
    outcome: str


@dataclass(frozen=True)
class SentCase:
    """A case as sent to a container: its facts under neutral names, which reveal nothing about the truth."""

    facts: Facts
    series: str
    number: int


class BatchFiles(ABC):
    """The files of a kind that supports the batch contract: one container start per image."""

    # Grand Challenge's sockets: what each file is (`image`, `output`, or a name of the kind's) → (slug, kind).
    sockets: ClassVar[dict[str, tuple[str, str]]]
    # Names the output file may have, of which the first is the one participants are told.
    output_names: ClassVar[tuple[str, ...]]
    # What the participants' guide says about the files, in Markdown.
    guide: ClassVar[str]

    @abstractmethod
    def inputs(self, cases: Sequence[SentCase]) -> dict[str, Any]:
        """Return the JSON values below /input by what they are (`sockets`), for the cases of one image."""

    def slug(self, name: str, slugs: Mapping[str, str]) -> str:
        """Return the slug of a socket: the phase's own where it names one."""
        return slugs.get(name) or self.sockets[name][0]

    def output_files(self, slugs: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names the output file may have."""
        return (f"{slugs['output']}.json",) if slugs.get("output") else self.output_names

    def input_list(self, values: Mapping[str, Any], image_name: str, slugs: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return what /input/inputs.json lists: each socket with its value, or its image's name."""
        inputs = [name for name in self.sockets if name != "output"]
        return [self._input(number, name, values.get(name), image_name, slugs) for number, name in enumerate(inputs, 1)]

    def _input(self, number: int, name: str, value: Any, image_name: str, slugs: Mapping[str, str]) -> dict[str, Any]:
        slug, kind = self.slug(name, slugs), self.sockets[name][1]
        is_image = name == "image"
        path = f"images/{slug}" if is_image else f"{slug}.json"
        socket = {
            "pk": number, "slug": slug, "title": slug.replace("-", " ").capitalize(), "kind": kind,
            "super_kind": "Image" if is_image else "Value", "relative_path": path, "description": "",
        }  # fmt: skip
        image = {"name": image_name} if is_image else None
        # `interface` is what images of 2024 read, `socket` what later ones do.
        return {"pk": number, "socket": socket, "interface": socket, "value": value, "image": image, "file": None}

    @abstractmethod
    def read_output(self, value: object, cases: Sequence[SentCase]) -> Iterator[Any]:
        """Yield the answer to each case from the decoded output file. Raises BadAnswer, UnexpectedAnswer."""


class Kind(ABC):
    """Everything that differs between kinds. Instances are stateless values.

    Each kind defines the form of truth, facts and answers, as JSON values. `predictions` are all answers of a
    submission as
    one numpy array whose first axis is the case, so that `len` and a mask work on it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]] = ()

    # The ground-truth table.
    table_columns: ClassVar[tuple[str, ...]] = ("label",)
    table_id_columns: ClassVar[tuple[str, ...]]
    table_id_sentence: ClassVar[str]
    table_optional: ClassVar[tuple[tuple[str, str], ...]] = ()  # (columns, what they are for)
    table_example: ClassVar[str]  # a small table that can be imported, for organisers to begin with
    table_guide: ClassVar[str]  # what the organisers' guide says of the table, in Markdown
    rows_may_repeat: ClassVar[bool] = False  # whether a case may have several rows
    image_suffixes: ClassVar[tuple[str, ...]] = (".mha",)  # single-file formats: a .mhd has its pixels elsewhere

    # The CSV of predictions. rows_a_case: the minimum and maximum number of rows per case.
    id_columns: ClassVar[tuple[str, ...]]
    rows_a_case: ClassVar[tuple[int, int]] = (1, 1)

    # Scoring: the names of metrics and curves as registered in `scoring`, in display order.
    metrics: ClassVar[tuple[str, ...]]
    ranking_metric: ClassVar[str]
    curves: ClassVar[tuple[str, ...]]

    # A kind with an endpoint path supports the HTTP contract; a kind with batch files supports the batch contract.
    endpoint_path: ClassVar[str] = ""
    answer_sentence: ClassVar[str] = ""
    # What the participants' guide says about the request's fields and the answer, in Markdown.
    request_guide: ClassVar[str] = ""
    # Request fields that a participant may choose to leave out.
    optional_fields: ClassVar[tuple[str, ...]] = ()
    # What a call's fields are called in the table of truth, by their names in the contract.
    csv_field_names: ClassVar[Mapping[str, str]] = {}
    batch: ClassVar[BatchFiles | None] = None
    # For the data dictionary: (unit, meaning) of each of a case's facts that only this kind has.
    fact_meanings: ClassVar[Mapping[str, tuple[str, str]]] = {}

    # The ground-truth table

    def case_id(self, record: Record) -> str:
        """Return the id of the case of a row; "" where the row has none."""
        return record.get("annotationid") or record.get("id") or series_and_lesion(record) or record.get("file", "")

    def image_name(self, record: Record) -> str:
        """Return the name of a row's image in the images folder; "" where there is none."""
        series = series_of(record)
        return record.get("file") or (f"{series}.mha" if series else "")

    @abstractmethod
    def read_row(self, record: Record) -> CaseContent:
        """Return the content of a row. Raises ValueError with a sentence."""

    def merge(self, rows: Sequence[CaseContent]) -> CaseContent:
        """Return the combined content of all rows of a case."""
        return rows[0]

    def points_xyz_mm(self, content: CaseContent) -> list[list[float]]:
        """Return the points that a case names in its image: [x, y, z] in patient space, mm, LPS."""
        return []

    @abstractmethod
    def split_problem(self, truths: Sequence[Any]) -> str | None:
        """Return why no metric can rank cases with these truths, as the end of "the split …", or None."""

    def class_of(self, truth: Any) -> str:
        """Return the class of a case, of which the sample cases show every one."""
        return str(truth)

    def series_key(self, facts: Facts) -> str:
        """Return a key that the cases of one series share, "" where the series is unknown."""
        return str(facts.get("series", ""))

    def shown(self, facts: Facts) -> dict[str, str]:
        """Return the values of a case that staff may see, by label."""
        known = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
        for group in ("clinical", "groups"):
            known |= facts.get(group, {})
        return {name.replace("_", " "): str(value) for name, value in known.items()}

    def subgroups(self, facts: Facts) -> dict[str, str]:
        """Return the groups that a case belongs to, by what groups it: results are told apart by them."""
        return {}

    def judged(self, truth: Any, answer: Any) -> Judgement:
        """Return how wrong the answer to one case is; without more knowledge, whether it is the truth."""
        return Judgement(0.0, "right") if truth == answer else Judgement(1.0, "wrong")

    # The CSV

    @abstractmethod
    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return (columns that hold the values, missing names) of a lower-cased header."""

    def value_range(self, column: str) -> tuple[float, float]:
        """Return the minimum and maximum of the values in a (lower-cased) column."""
        return 0.0, 1.0

    def row_problem(self, values: Sequence[float]) -> str | None:
        """Return why the values of one row contradict each other, or None."""
        return None

    @abstractmethod
    def answer_of(self, rows: Sequence[Sequence[float]]) -> Any:
        """Return the answer given by the rows of one case."""

    @abstractmethod
    def template_header(self) -> list[str]: ...

    @abstractmethod
    def template_values(self) -> list[str]:
        """Return the values of a template's row: valid, but without information."""

    @abstractmethod
    def csv_sentences(self) -> list[str]:
        """Return what a participant must know about columns and rows; names stand in `backticks`."""

    # Scoring

    @abstractmethod
    def gather(self, answers: Sequence[Any]) -> NDArray[Any]:
        """Return the predictions: the answers of all cases, in order."""

    @abstractmethod
    def truths(self, truths: Sequence[Any]) -> NDArray[Any]:
        """Return the truths of all cases in order, in the form that the kind's metrics take."""

    @abstractmethod
    def pack(self, predictions: NDArray[Any]) -> bytes:
        """Return predictions as bytes for storage; `unpack` restores them bit for bit."""

    @abstractmethod
    def unpack(self, packed: bytes | memoryview) -> NDArray[Any]:
        """Return the predictions given to `pack`. Raises ValueError if `pack` did not write the bytes."""

    # Containers

    def request_fields(
        self, facts: Facts, *, series: str, lesion: int, naming: str = "camelCase", omit: Collection[str] = ()
    ) -> dict[str, str]:
        """Return the form fields of one request, without the file.

        series, lesion: neutral values in place of the real ones, which leak the truth.
        """
        return {}

    def read_answer(
        self, value: object, path: str | None = None, *, series: str | None = None, lesion: int | None = None
    ) -> Any:
        """Return the answer from decoded JSON. path: its location, if not the usual one. Raises BadAnswer."""
        raise BadAnswer(f"No container answers for {self.title}.")


def series_of(record: Record) -> str:
    return record.get("seriesinstanceuid", "")


def clipped(value: float, low: float, high: float) -> float | None:
    """Return `value` limited to [low, high] if it is at most RANGE_TOLERANCE outside; else None."""
    if not low - RANGE_TOLERANCE <= value <= high + RANGE_TOLERANCE:  # also false for NaN
        return None
    return min(max(float(value), low), high)


def lesion_of(record: Record) -> str:
    """Return the number of a row's lesion; pandas writes 1.0 where another row has none."""
    text = record.get("lesionid", "")
    whole = WHOLE_AS_FLOAT.fullmatch(text)
    return whole[1] if whole else text


def series_and_lesion(record: Record) -> str:
    """Return the id that both give; "" where there is no series, or its lesion's cell is empty."""
    series, lesion = series_of(record), lesion_of(record)
    is_empty = not series or ("lesionid" in record and not lesion)
    return "" if is_empty else f"{series}_{lesion}"


def plain_float(text: str) -> float:
    """Return a number in ASCII; float() alone takes 1_0 and the digits of every script. Raises ValueError."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def finite(record: Record, column: str) -> float:
    """Return a cell as a finite number. Raises ValueError with a sentence."""
    try:
        value = plain_float(record.get(column, ""))
    except ValueError:
        text = record.get(column, "")
        remedy = "; write a point, and no thousands separators" if "," in text else ""
        raise ValueError(f"{column} is not a number: {text!r}{remedy}") from None
    if not np.isfinite(value):
        raise ValueError(f"{column} is not finite")
    return value


def point_xyz_mm(record: Record) -> list[float]:
    """Return [x, y, z] from the columns CoordX, CoordY, CoordZ: patient space, mm, LPS. Raises ValueError."""
    return [finite(record, column) for column in ("coordx", "coordy", "coordz")]
