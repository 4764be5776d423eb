"""The lesion model's held-out answers: a table beside the weights, from which every figure of the card is computed.

The file holds what the networks answered and nothing of the data: no label, no patient, no size. Those are read from
the data, which `make bench-models` needs anyway, so it prints the card's figures without fitting the networks again.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.ct.lesion_shape import Shape
from inference.networks.model.lesion_judge import combined_logit, diameter_of, effective_size_mm, hand_features
from inference.training.cards import pseudonym
from inference.training.metrics import cross_fitted

from .data import NoduleRow, NoduleSet, read_rows
from .measures import fit_hand
from .validate import OutOfFold

Floats = NDArray[np.float64]
DIGITS = 5
UNDECIDED_VOTE = 3
# The columns of the file. Everything else is the data's.
ANSWERS = ("name", "fold", "network", "logit", "probability", "estimated_mm")


@dataclass(frozen=True, eq=False)
class HeldOutLesions:
    """One row per nodule, answered by parts that had not seen its patient.

    name, patient: (n,) pseudonyms: the file tells no case of the data by its name.
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

    @property
    def strict(self) -> "HeldOutLesions":
        """Return the nodules about which the readers decided: malignant is a vote over 3, whatever the label says.

        The data's label contradicts the vote at some nodules.
        """
        decided = self.vote != UNDECIDED_VOTE
        columns: dict[str, Any] = {field.name: getattr(self, field.name)[decided] for field in fields(self)}
        return HeldOutLesions(**columns | {"label": (columns["vote"] > UNDECIDED_VOTE).astype(np.int64)})

    def write(self, path: Path) -> None:
        """Write the answers as CSV, in the order of the pseudonyms."""
        columns = [getattr(self, name) for name in ANSWERS]
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(ANSWERS)
            writer.writerows(sorted([_cell(value) for value in row] for row in zip(*columns, strict=True)))

    @classmethod
    def read(cls, path: Path, folder: Path) -> "HeldOutLesions":
        """Return the answers of a CSV with what nodules.csv in `folder` says of each nodule, in its order.

        Raises OSError, KeyError, ValueError; KeyError also where the answers are of other nodules.
        """
        with path.open(newline="") as file:
            answers = {line["name"]: line for line in csv.DictReader(file)}
        known = [(pseudonym(row.path.stem), row) for row in read_rows(folder)]
        found = [(answers.pop(name), row) for name, row in known if name in answers]
        if answers:
            raise KeyError(f"{path.name} answers nodules that the data lack: {', '.join(sorted(answers))}")
        return cls(**_of_answers([answer for answer, _ in found]), **_of_data([row for _, row in found]))


def _of_answers(lines: list[dict[str, str]]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: np.array([float(line[name]) for line in lines]) for name in ANSWERS[2:]}
    names, folds = ([line[name] for line in lines] for name in ANSWERS[:2])
    return columns | {"name": np.array(names), "fold": np.array(folds, dtype=np.int64)}


def _of_data(rows: Sequence[NoduleRow]) -> dict[str, Any]:
    return {
        "patient": np.array([pseudonym(row.patient) for row in rows]),
        "label": np.array([row.label for row in rows]),
        "vote": np.array([row.vote for row in rows]),
        "diameter_mm": np.array([row.diameter_mm for row in rows]),
        "slice_mm": np.array([row.spacing_zyx_mm[0] for row in rows]),
        "pixel_mm": np.array([row.spacing_zyx_mm[2] for row in rows]),
    }


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
        name=np.array([pseudonym(row.path.stem) for row in nodules.rows]), fold=found.fold, network=found.logit,
        logit=logit, probability=cross_fitted(nodules.label, logit, found.fold), estimated_mm=estimated,
        **_of_data(nodules.rows),
    )  # fmt: skip


def _cell(value: object) -> object:
    return round(float(value), DIGITS) if isinstance(value, float | np.floating) else value
