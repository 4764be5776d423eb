"""The lesion model's held-out answers: a table beside the weights, from which every figure of the card is computed.

It holds numbers and the public names of LIDC's nodules, so `make bench-models` prints the card's figures without
fitting the networks again.
"""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.ct.lesion_shape import Shape
from inference.networks.model.lesion_judge import combined_logit, diameter_of, effective_size_mm, hand_features
from inference.training.cards import pseudonym
from inference.training.metrics import cross_fitted

from .data import NoduleSet
from .measures import fit_hand
from .validate import OutOfFold

Floats = NDArray[np.float64]
DIGITS = 5


@dataclass(frozen=True, eq=False)
class HeldOutLesions:
    """One row per nodule, answered by parts that had not seen its patient.

    name, patient: (n,) pseudonyms: the table is shipped, and tells no case of the data by its name.
    fold, label, vote: (n,). diameter_mm: by the readers. slice_mm, pixel_mm: of the scan.
    network: the members' mean logit. logit: combined, before calibration. probability: calibrated on the other folds.
    estimated_mm: the estimated diameter.
    """

    name: NDArray[np.str_]
    patient: NDArray[np.str_]
    fold: NDArray[np.int64]
    label: NDArray[np.int64]
    vote: NDArray[np.int64]
    diameter_mm: Floats
    slice_mm: Floats
    pixel_mm: Floats
    network: Floats
    logit: Floats
    probability: Floats
    estimated_mm: Floats

    def write(self, path: Path) -> None:
        """Write the table as CSV."""
        columns = [getattr(self, column.name) for column in fields(self)]
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([column.name for column in fields(self)])
            writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))

    @classmethod
    def read(cls, path: Path) -> "HeldOutLesions":
        """Return the table of a CSV. Raises OSError, KeyError, ValueError."""
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        texts = {column.name: [row[column.name] for row in rows] for column in fields(cls)}
        whole, plain = ("fold", "label", "vote"), ("name", "patient")
        arrays = {
            name: np.array(values) if name in plain else np.array(values, dtype=np.int64 if name in whole else float)
            for name, values in texts.items()
        }
        return cls(**arrays)


def held_out_lesions(nodules: NoduleSet, shapes: list[Shape], found: OutOfFold) -> HeldOutLesions:
    """Return the table. shapes: of each nodule. found: what the networks answered for their held-out nodules."""
    values = np.array([shape.values for shape in shapes])
    size = np.array([effective_size_mm(shape) for shape in shapes])
    hand = np.zeros(len(shapes))
    for number in np.unique(found.fold):
        unseen = found.fold == number
        weight, bias = fit_hand(values[~unseen], nodules.label[~unseen])
        hand[unseen] = hand_features(values[unseen]) @ weight + bias
    logit = combined_logit(found.logit, size, hand)
    seen_mm = np.exp(found.log_diameter + 2) * size / size.min()
    estimated = diameter_of(
        seen_mm, np.array([shape.diameter_mm for shape in shapes]), np.array([shape.in_lung for shape in shapes])
    )
    return HeldOutLesions(
        np.array([pseudonym(row.path.stem) for row in nodules.rows]),
        np.array([pseudonym(patient) for patient in nodules.patient]), found.fold, nodules.label, nodules.vote,
        nodules.diameter_mm, np.array([row.spacing_zyx_mm[0] for row in nodules.rows]),
        np.array([row.spacing_zyx_mm[2] for row in nodules.rows]), found.logit, logit,
        cross_fitted(nodules.label, logit, found.fold), estimated,
    )  # fmt: skip


def _cell(value: object) -> object:
    return round(float(value), DIGITS) if isinstance(value, float | np.floating) else value
