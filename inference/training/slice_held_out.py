"""The slice model's held-out answers: a table beside the weights, from which every figure of the card is computed.

The file holds what the layers answered and nothing of the data: no label, no source, no series. Those are read from the
data, which `make bench-models` needs anyway.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .cards import pseudonym
from .slice_data import Pictures, SliceRow, other_rows, read_rows
from .slice_heads import Scores

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
SOURCES = ("first", "second")
# The shares of training pictures that may be warned, held out.
FOREIGN_ALARMS, UNFAMILIAR_ALARMS = 0.02, 0.05
DIGITS = 5
# The columns of the file. Everything else is the data's.
NUMBERS = ("p0", "p1", "p2", "p3", "foreign", "distance")


@dataclass(frozen=True, eq=False)
class HeldOutSlices:
    """One row per picture, answered by layers that had not seen its series or block.

    name, group: (n,) pseudonyms: the file tells no picture by its name.
    source: (n,). label: (n,) class number; of the second source's cancers 0, as their type is not known.
    p0 to p3: (n,) probabilities. foreign: (n,) logit of being no chest CT. distance: (n,), about 1 where familiar.
    """

    name: Texts
    source: Texts
    group: Texts
    label: NDArray[np.int64]
    p0: Floats
    p1: Floats
    p2: Floats
    p3: Floats
    foreign: Floats
    distance: Floats

    @property
    def probability(self) -> Floats:
        """Return (n, 4)."""
        return np.stack([self.p0, self.p1, self.p2, self.p3], axis=1)

    @property
    def limits(self) -> tuple[float, float]:
        """Return the logit and the distance from which warnings are given."""
        return (
            float(np.quantile(self.foreign, 1 - FOREIGN_ALARMS)),
            float(np.quantile(self.distance, 1 - UNFAMILIAR_ALARMS)),
        )

    def write(self, path: Path) -> None:
        """Write the answers as CSV, in the order of the pseudonyms."""
        columns = [self.name, *(getattr(self, name).round(DIGITS) for name in NUMBERS)]
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("name", *NUMBERS))
            writer.writerows(sorted(zip(*(column.tolist() for column in columns), strict=True)))

    @classmethod
    def read(cls, path: Path, data: Path) -> "HeldOutSlices":
        """Return the answers of a CSV with what the tables of slices/ and slices_other/ in `data` say of each picture.

        Raises OSError, KeyError, ValueError.
        """
        with path.open(newline="") as file:
            answers = {line["name"]: line for line in csv.DictReader(file)}
        first = [row for row in read_rows(data / "slices") if row.split == "train"]
        rows = [*first, *other_rows(data / "slices_other")]
        found = [answers[_pseudonym_of(row)] for row in rows]
        return _table(rows, {name: np.array([float(line[name]) for line in found]) for name in NUMBERS})


def held_out_slices(
    first: Pictures, second: Pictures, scores: Scores, temperature: tuple[float, float]
) -> HeldOutSlices:
    """Return the table of the pictures of both sources, in this order."""
    shares = scores.probabilities(temperature).T
    columns = (*shares, scores.foreign.astype(float), scores.distance.astype(float))
    return _table([*first.rows, *second.rows], dict(zip(NUMBERS, columns, strict=True)))


def _table(rows: Sequence[SliceRow], numbers: dict[str, Floats]) -> HeldOutSlices:
    return HeldOutSlices(
        name=np.array([_pseudonym_of(row) for row in rows]),
        source=np.array([SOURCES[row.split == "other"] for row in rows]),
        group=np.array([pseudonym(row.series) for row in rows]),
        label=np.array([row.label for row in rows]),
        **numbers,
    )


def _pseudonym_of(row: SliceRow) -> str:
    return pseudonym(f"{row.path.parent.name}/{row.path.name}")
