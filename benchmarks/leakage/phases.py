"""A phase to attack: 300 public and 700 private cases and 20 samples, imported and opened as an organiser does it.

Imported once Django is set up.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.utils import timezone

from submissions.datasets.importing import import_dataset
from submissions.models import Dataset, Phase, Quota

PUBLIC, COUNTED, SAMPLES, TRIES = 300, 1000, 20, 15
COLUMNS = ("PatientID", "AnnotationID", "CoordX", "CoordY", "CoordZ", "label")


@dataclass(frozen=True)
class Arena:
    """A phase, and what only the judge knows of it. labels: of the counted cases, by id. public: their public ids."""

    phase: Phase
    labels: dict[str, int]
    public: frozenset[str]


def open_arena(name: str, malignant: float, seed: int, *, is_open_book: bool = False, old_split: bool = False) -> Arena:
    """Import a dataset with this share of malignant cases and open it.

    is_open_book: everything is shown at once, as before the disclosure policy: the control, on which attacks succeed.
    old_split: the split follows the patient's hash, as it did before the secret key.
    """
    dataset = _dataset(name, malignant, seed, old_split)
    shown = {"disclosure": "practice"} if hasattr(Phase, "disclosure") and is_open_book else {}
    phase = Phase.objects.create(
        slug=name, title=name, dataset=dataset, opens_at=timezone.now() - timedelta(days=1), accepts_docker=False,
        closes_at=timezone.now() + timedelta(days=30), decimals=None if is_open_book else 4, **shown,
    )  # fmt: skip
    Quota.objects.create(phase=phase, tries=TRIES)
    counted = list(dataset.scored_cases().values_list("public_id", "truth", "split"))
    labels = {public_id: truth for public_id, truth, _ in counted}
    return Arena(phase, labels, frozenset(public_id for public_id, _, split in counted if split == "public"))


def _dataset(name: str, malignant: float, seed: int, old_split: bool) -> Dataset:
    rng = np.random.default_rng(seed)
    n = COUNTED + SAMPLES
    labels = rng.permutation(np.arange(n) < round(malignant * n)).astype(int)
    # Sorted by label, as an organiser's table may be: its order must not come through.
    labels.sort()
    numbers = rng.permutation(n)
    rows = [(f"P{k:05}", f"A{k:05}", k % 97, k % 89, k % 83, label) for k, label in zip(numbers, labels, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "truth.csv"
        if old_split:
            _write(path, [*COLUMNS, "split"], list(_split_as_before(rows)))
            return import_dataset(kind="lesion", name=name, truth=path, split_column="split", samples=0)
        _write(path, COLUMNS, rows)
        return import_dataset(kind="lesion", name=name, truth=path, public_fraction=PUBLIC / COUNTED, samples=SAMPLES)


def _split_as_before(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    by_hash = sorted(rows, key=lambda row: hashlib.sha256(str(row[0]).encode()).digest())
    splits = ["public"] * PUBLIC + ["private"] * (COUNTED - PUBLIC) + ["sample"] * SAMPLES
    of_row = {row[0]: split for row, split in zip(by_hash, splits, strict=True)}
    return [(*row, of_row[row[0]]) for row in rows]


def _write(path: Path, header: object, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)  # type: ignore[arg-type]
        writer.writerows(rows)
