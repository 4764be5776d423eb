"""The slice model's held-out answers: a table beside the weights, from which every figure of the card is computed."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cards import pseudonym
from .slice_data import Pictures
from .slice_heads import Examples, Scores

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
SOURCES = ("first", "second")
# The shares of training pictures that may be warned, held out.
FOREIGN_ALARMS, UNFAMILIAR_ALARMS = 0.02, 0.05
DIGITS = 5


@dataclass(frozen=True, eq=False)
class HeldOutSlices:
    """One row per picture, answered by layers that had not seen its series or block.

    name, group: (n,) pseudonyms: the table is shipped, and tells no picture by its name.
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
        """Write the table as CSV."""
        names = [column.name for column in fields(self)]
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(map(_cells, zip(*(getattr(self, name) for name in names), strict=True)))

    @classmethod
    def read(cls, path: Path) -> "HeldOutSlices":
        """Return the table of a CSV. Raises OSError, KeyError, ValueError."""
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        kinds = {"name": str, "source": str, "group": str, "label": np.int64}
        columns: dict[str, Any] = {
            column.name: np.array([row[column.name] for row in rows]).astype(kinds.get(column.name, np.float64))
            for column in fields(cls)
        }
        return cls(**columns)


def held_out_slices(
    first: Pictures, second: Pictures, examples: Examples, scores: Scores, temperature: tuple[float, float]
) -> HeldOutSlices:
    """Return the table of the pictures of both sources, in this order."""
    rows = [*first.rows, *second.rows]
    probability = scores.probabilities(temperature)
    return HeldOutSlices(
        np.array([pseudonym(f"{row.path.parent.name}/{row.path.name}") for row in rows]),
        np.repeat(SOURCES, [len(first.rows), len(second.rows)]),
        np.array([pseudonym(str(group)) for group in examples.group]), examples.label,
        probability[:, 0], probability[:, 1], probability[:, 2], probability[:, 3],
        scores.foreign.astype(float), scores.distance.astype(float),
    )  # fmt: skip


def _cells(values: tuple[object, ...]) -> list[object]:
    return [round(float(value), DIGITS) if isinstance(value, np.floating) else value for value in values]
