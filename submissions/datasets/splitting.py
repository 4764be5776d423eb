"""Split a dataset by patient under its secret key: sample cases set aside, then a public and a private part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from submissions.datasets.table import DatasetError, TruthRow, split_problems
from submissions.keyed import keyed_order
from submissions.kinds import Kind

PUBLIC_FRACTION = 0.3
SAMPLES = 20
# Of few cases no more than this share is set aside, or little would be left to rank by.
LARGEST_SAMPLE_SHARE = 0.25
# A draw that leaves a part without a class is thrown away.
DRAWS = 200
TOO_FEW = (
    "the cases are too few to split by patient so that the samples, the public and the private part each have every "
    "class: give more cases, another --public-fraction, fewer --samples (0 for none), a --split-column, or --practice"
)


def group_of(row: TruthRow) -> str:
    """Return what must not be split: the patient; where none is given, the image, and else the case itself."""
    return row.patient or row.image or row.public_id


def n_samples(n_cases: int, asked: int | None) -> int:
    """Return how many cases to set aside: as many as asked; else 20, but at most a quarter of the cases."""
    return min(SAMPLES, max(1, int(n_cases * LARGEST_SAMPLE_SHARE))) if asked is None else asked


def draw_splits(
    rows: Sequence[TruthRow], kind: Kind, key: str, *, public_fraction: float, samples: int | None
) -> list[str]:
    """Return the split of each row, one split per patient. Raises DatasetError if no draw gives each part every class.

    key: the dataset's secret key. samples: how many cases to set aside, or None for the usual number.
    """
    patients = [group_of(row) for row in rows]
    wanted = n_samples(len(rows), samples)
    for number in range(DRAWS):
        ordered = keyed_order(key, f"split {number}", patients)
        aside = set_aside(rows, ordered, kind, wanted)
        left = [patient for patient in ordered if patient not in aside]
        public = set(left[: max(1, round(public_fraction * len(left)))])
        splits = ["sample" if each in aside else "public" if each in public else "private" for each in patients]
        if {"public", "private"} <= set(splits) and _is_whole(rows, splits, kind, wanted):
            return splits
    raise DatasetError([TOO_FEW])


def with_samples(rows: Sequence[TruthRow], splits: list[str], kind: Kind, key: str, samples: int | None) -> list[str]:
    """Return given splits with sample cases set aside from the public part; unchanged where that cannot be done.

    A patient with private cases stays whole, so none is set aside.
    """
    if "sample" in splits or samples == 0:
        return splits
    patients = [group_of(row) for row in rows]
    fixed = {patient for patient, split in zip(patients, splits, strict=True) if split != "public"}
    wanted = n_samples(splits.count("public"), samples)
    for number in range(DRAWS):
        ordered = [each for each in keyed_order(key, f"samples {number}", patients) if each not in fixed]
        aside = set_aside(rows, ordered, kind, wanted)
        drawn = ["sample" if each in aside else split for each, split in zip(patients, splits, strict=True)]
        if _is_whole(rows, drawn, kind, wanted) and len(set(drawn)) == len({*splits, "sample"}):
            return drawn
    return splits


def set_aside(rows: Sequence[TruthRow], ordered: Iterable[str], kind: Kind, wanted: int) -> set[str]:
    """Return the first patients who bring `wanted` cases, and after them only those who bring a class that is missing.

    ordered: the patients to choose from.
    """
    of_patient: dict[str, list[TruthRow]] = {}
    for row in rows:
        of_patient.setdefault(group_of(row), []).append(row)
    missing = {kind.class_of(row.truth) for row in rows}
    chosen: set[str] = set()
    count = 0
    for patient in ordered if wanted else ():
        brought = {kind.class_of(row.truth) for row in of_patient[patient]}
        if count < wanted or brought & missing:
            chosen.add(patient)
            count += len(of_patient[patient])
            missing -= brought
        if count >= wanted and not missing:
            break
    return chosen


def _is_whole(rows: Sequence[TruthRow], splits: list[str], kind: Kind, wanted: int) -> bool:
    """Return whether each part can be scored, and the samples are enough and show every class."""
    samples = [kind.class_of(row.truth) for row, split in zip(rows, splits, strict=True) if split == "sample"]
    has_samples = len(samples) >= wanted and set(samples) == {kind.class_of(row.truth) for row in rows}
    return (has_samples or not wanted) and not split_problems(list(rows), splits, kind)
