"""The drift reference: statistics of the slice model's training pictures. It contains no pixels."""

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
    """Write the drift reference, one row per picture, in the order of the numbers: that of the data tells the classes.

    held_out: (n, classes) probabilities by a model that was not trained on the picture. A model is more confident on
    its training pictures than on new ones, so with in-sample probabilities every new picture would look like drift.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(_row(grey, row) for grey, row in zip(greys, held_out, strict=True)))


def _row(grey: Grey, probabilities: NDArray[np.float64]) -> list[str]:
    statistics = asdict(grey_statistics(grey))
    index = int(probabilities.argmax())
    numbers = [round(statistics[name], 4) for name in STATISTICS]
    return [*map(str, numbers), str(index), SLICE_CLASSES[index], str(round(float(probabilities[index]), 4))]
