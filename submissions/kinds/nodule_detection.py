"""Nodule detection in a CT scan, as in LUNA16: any number of candidates per scan, each with a probability."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import packing
from .base import CaseContent, Floats, Judgement, Kind, Record, finite, point_xyz_mm
from .candidates import MAX_CANDIDATES, is_inside, most_probable

COORDINATES = ("coordx", "coordy", "coordz")
REACH_MM = 100_000.0
# The diameter that LUNA16's evaluation assumes for a finding without a measured size.
UNMEASURED_DIAMETER_MM = 10.0
# A candidate this probable counts as called where a single scan is judged.
CALLED = 0.5
TABLE_GUIDE = """\
takes a row for each finding of a scan: `seriesuid`, `coordX`, `coordY`, `coordZ` (world mm, LPS), `diameter_mm`,
`label`. The label is `nodule`, `irrelevant` (neither found nor false: LUNA16's excluded annotations, whose diameter may
be empty or -1) or `none`, with empty coordinates, for a scan without findings; such scans count in the false positives
per scan. LUNA16's `annotations.csv` and `annotations_excluded.csv` joined, with a `none` row for each other scan of
`seriesuids.csv`, make such a table. No container contract supports this kind yet: its phases take CSVs only."""
NODULE, IRRELEVANT, NO_FINDING = "nodule", "irrelevant", "none"


class NoduleDetectionKind(Kind):
    """Nodule detection: each case is one scan.

    Truth: `nodules` and `irrelevant` findings, each [x, y, z, diameter], patient space, mm, LPS.
    An answer is a list of candidates [x, y, z, probability], which may be empty; predictions are (n,) objects, each a
    (k, 4) float64 array. `irrelevant` findings (too small, other lesions) count neither as hits nor as false positives.
    """

    name = "nodule-detection"
    title = "Lung nodule detection"
    table_columns = (*COORDINATES, "diameter_mm", "label")
    table_id_columns = ("seriesuid", "seriesinstanceuid")
    table_id_sentence = "seriesuid"
    table_example = (
        "seriesuid,coordX,coordY,coordZ,diameter_mm,label\n"
        "1.2.840.1,56.2,86.3,-115.9,23.4,nodule\n"
        "1.2.840.1,-20.0,40.5,-90.0,3.1,irrelevant\n"
        "1.2.840.2,,,,,none\n"
    )
    table_guide = TABLE_GUIDE
    rows_may_repeat = True
    id_columns = ("seriesuid", "seriesinstanceuid")
    rows_a_case = (0, 500)
    metrics = (
        "cpm", "sensitivity_at_1_8_fp", "sensitivity_at_1_4_fp", "sensitivity_at_1_2_fp", "sensitivity_at_1_fp",
        "sensitivity_at_2_fp", "sensitivity_at_4_fp", "sensitivity_at_8_fp",
    )  # fmt: skip
    ranking_metric = "cpm"
    curves = ("froc",)

    def case_id(self, record: Record) -> str:
        return record.get("seriesuid") or record.get("seriesinstanceuid", "")

    def image_name(self, record: Record) -> str:
        return record.get("file") or f"{self.case_id(record)}.mha"

    def read_row(self, record: Record) -> CaseContent:
        """Return the finding that a row names; `none` marks a scan without findings."""
        label = record["label"].lower()
        if label not in (NODULE, IRRELEVANT, NO_FINDING):
            raise ValueError(f"the label is none of {NODULE}, {IRRELEVANT}, {NO_FINDING}")
        if label == NO_FINDING:
            return CaseContent(_findings())
        finding = [*point_xyz_mm(record), _diameter_mm(record, is_nodule=label == NODULE)]
        return CaseContent(_findings(nodules=[finding]) if label == NODULE else _findings(irrelevant=[finding]))

    def points_xyz_mm(self, content: CaseContent) -> list[list[float]]:
        return [finding[:3] for findings in content.truth.values() for finding in findings]

    def merge(self, rows: Sequence[CaseContent]) -> CaseContent:
        if len(rows) > 1 and _findings() in [row.truth for row in rows]:
            raise ValueError(f"the scan has other rows beside the one labelled {NO_FINDING}")
        found = {name: [each for row in rows for each in row.truth[name]] for name in _findings()}
        return CaseContent(found)

    def split_problem(self, truths: Sequence[Any]) -> str | None:
        return None if any(truth["nodules"] for truth in truths) else "holds no nodule"

    def class_of(self, truth: Any) -> str:
        return "with nodules" if truth["nodules"] else "without nodules"

    def value_columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        names = self.template_header()[1:]
        return (
            [name.lower() for name in names if name.lower() in header],
            [name for name in names if name.lower() not in header],
        )

    def value_range(self, column: str) -> tuple[float, float]:
        return (-REACH_MM, REACH_MM) if column in COORDINATES else (0.0, 1.0)

    def answer_of(self, rows: Sequence[Sequence[float]]) -> list[list[float]]:
        return [list(row) for row in rows]

    def template_header(self) -> list[str]:
        return ["seriesuid", "coordX", "coordY", "coordZ", "probability"]

    def template_values(self) -> list[str]:
        return ["0", "0", "0", "0"]

    def csv_sentences(self) -> list[str]:
        return [
            "One row for each candidate: `seriesuid` (or `SeriesInstanceUID`) of the scan, the point `coordX`, "
            "`coordY`, `coordZ` in world millimetres (LPS, within ± 100,000), and a `probability` from 0 to 1.",
            f"A scan may have none, and at most {self.rows_a_case[1]} rows; the {MAX_CANDIDATES} most probable count.",
            "A candidate hits a nodule when it lies closer to its centre than its radius.",
        ]

    def gather(self, answers: Sequence[Any]) -> NDArray[Any]:
        predictions = np.empty(len(answers), dtype=object)
        for number, answer in enumerate(answers):
            predictions[number] = np.array(answer, dtype=np.float64).reshape(-1, 4)
        return predictions

    def truths(self, truths: Sequence[Any]) -> NDArray[Any]:
        """Return (n,) objects: the findings of each scan by type."""
        array = np.empty(len(truths), dtype=object)
        array[:] = truths
        return array

    def judged(self, truth: Any, answer: Any) -> Judgement:
        """Return how many nodules are missed, and candidates wrong, of those that count with a probability from 0.5."""
        counted = most_probable(np.array(answer, dtype=np.float64).reshape(-1, 4))
        called = counted[counted[:, 3] >= CALLED]
        on_nodule, on_other = (is_inside(called, truth[name]) for name in ("nodules", "irrelevant"))
        missed = int((~on_nodule.any(axis=1)).sum())
        false = int((~on_nodule.any(axis=0) & ~on_other.any(axis=0)).sum())
        outcome = "missed and false candidates" if missed and false else "missed" if missed else ""
        return Judgement(float(missed + false), outcome or ("false candidates" if false else "right"))

    def pack(self, predictions: NDArray[Any]) -> bytes:
        """Pack all candidates into one table. The first column is the scan; the first row is the number of scans."""
        scans = np.repeat(np.arange(len(predictions)), [len(each) for each in predictions])
        candidates: Floats = np.vstack([np.zeros((0, 4)), *predictions])
        table = np.column_stack([scans, candidates])
        return packing.pack(np.vstack([[len(predictions), 0, 0, 0, 0], table]))

    def unpack(self, packed: bytes | memoryview) -> NDArray[Any]:
        head, *_ = table = packing.unpack(packed)
        scans, candidates = table[1:, 0].astype(np.int64), table[1:, 1:]
        starts = np.searchsorted(scans, np.arange(int(head[0]) + 1))
        return self.gather([candidates[start:end] for start, end in itertools.pairwise(starts)])


def _findings(nodules: Sequence[Any] = (), irrelevant: Sequence[Any] = ()) -> dict[str, list[Any]]:
    return {"nodules": list(nodules), "irrelevant": list(irrelevant)}


def _diameter_mm(record: Record, *, is_nodule: bool) -> float:
    """Return a finding's diameter; an irrelevant finding may have none (empty, or -1 as LUNA16 writes it)."""
    if not is_nodule and (not record["diameter_mm"] or finite(record, "diameter_mm") < 0):
        return UNMEASURED_DIAMETER_MM
    diameter_mm = finite(record, "diameter_mm")
    if diameter_mm <= 0:
        raise ValueError("the diameter is not more than 0 mm")
    return diameter_mm


KIND = NoduleDetectionKind()
