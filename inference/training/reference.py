"""The drift reference: what the slice model's training pictures look like, in numbers. No pixel is in it."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.networks.worker.jobs import grey_statistics
from inference.slice_classes import SLICE_CLASSES

from .slice_data import Grey

STATISTICS = ("mean", "std", "min", "max", "p01", "p50", "p99", "height", "width")
COLUMNS = (*STATISTICS, "pred_index", "pred_class", "pred_conf")


def write_reference(path: Path, greys: Sequence[Grey], held_out: NDArray[np.float64]) -> None:
    """Write one row a picture.

    held_out: (n, classes) probabilities by a model that had not seen the picture; one that had would be surer
    of it than it ever is of a new one, and every new picture would look like drift.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_row(grey, row) for grey, row in zip(greys, held_out, strict=True))


def _row(grey: Grey, probabilities: NDArray[np.float64]) -> list[object]:
    statistics = asdict(grey_statistics(grey))
    index = int(probabilities.argmax())
    numbers = [round(statistics[name], 4) for name in STATISTICS]
    return [*numbers, index, SLICE_CLASSES[index], round(float(probabilities[index]), 4)]
