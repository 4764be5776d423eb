"""The lesion model's figures from its held-out answers; the card and `make bench-models` print the same tables."""

import numpy as np
from numpy.typing import NDArray

from inference.training.cards import table
from inference.training.metrics import (
    Estimate,
    auc,
    brier,
    calibration_line,
    estimate_by_group,
    exact_share,
    paired_auc,
)

from .held_out import HeldOutLesions

THRESHOLD = 0.5
SMALL_MM = 8.0
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


def figures_table(found: HeldOutLesions) -> str:
    """Return the table of the figures, with intervals by patient."""
    strict = found.strict
    line = calibration_line(found.label, found.probability)
    small = np.flatnonzero((found.label == 1) & (found.diameter_mm <= SMALL_MM))
    positive = found.probability >= THRESHOLD
    rows = [
        ("AUC", _auc(found, found.logit)),
        ("AUC, strict label (vote 3 left out; malignant is a vote over 3)", _auc(strict, strict.logit)),
        ("AUC of the network alone", _auc(found, found.network)),
        ("AUC of the readers' diameter alone, which the model does not receive", _auc(found, found.diameter_mm)),
        ("the same, strict label", _auc(strict, strict.diameter_mm)),
        ("difference to the diameter, paired by patient", _paired(found)),
        ("the same, strict label", _paired(strict)),
        ("Brier score", estimate_by_group(lambda rows: _brier(found, rows), found.patient)),
        ("calibration slope (1 is right), on patients that did not fit the calibration", f"{line.slope:.2f}"),
        ("calibration intercept (0 is right), likewise", f"{line.intercept:.2f}"),
        ("accuracy at 0.5", exact_share((found.label == 1) == positive)),
        ("sensitivity at 0.5", exact_share(positive[found.label == 1])),
        ("specificity at 0.5", exact_share(~positive[found.label == 0])),
        (f"sensitivity at 0.5 of the {len(small)} malignant nodules up to 8 mm", exact_share(positive[small])),
        ("estimated diameter: median of the difference to the readers'", _diameter_error(found)),
    ]
    folds = ", ".join(f"{auc(found.label[f], found.logit[f]):.3f}" for f in _folds(found))
    head = ("figure, held out", "value (95 % interval: bootstrap over patients; shares: Clopper-Pearson)")
    return f"{table(head, rows)}\n\nAUC by fold: {folds}."


def subgroups_table(found: HeldOutLesions) -> str:
    """Return the figures by slice distance, pixel size and diameter."""
    size, slices = found.diameter_mm, found.slice_mm
    masks = {
        "slices up to 1 mm apart": slices <= 1,
        "slices 1 to 2 mm apart": (slices > 1) & (slices <= 2),
        "slices over 2 mm apart": slices > 2,
        "pixels up to 0.65 mm": found.pixel_mm <= 0.65,
        "pixels over 0.65 mm": found.pixel_mm > 0.65,
        "diameter up to 8 mm": size <= SMALL_MM,
        "diameter 8 to 15 mm": (size > SMALL_MM) & (size <= 15),
        "diameter over 15 mm": size > 15,
    }
    rows = [_subgroup(name, np.flatnonzero(mask), found) for name, mask in masks.items()]
    head = ("subgroup", "nodules", "malignant", "mean probability", "AUC", "AUC of the diameter", "sensitivity at 0.5")
    return table(head, rows)


def _subgroup(name: str, rows: Rows, found: HeldOutLesions) -> tuple[object, ...]:
    malignant = rows[found.label[rows] == 1]
    shown = (_auc(found, score, rows) for score in (found.logit, found.diameter_mm))
    means = found.label[rows].mean(), found.probability[rows].mean()
    sensitivity = exact_share(found.probability[malignant] >= THRESHOLD)
    return name, len(rows), *(f"{mean:.2f}" for mean in means), *shown, sensitivity


def _auc(found: HeldOutLesions, score: Floats, among: Rows | slice = slice(None)) -> Estimate:
    label, shown = found.label[among], score[among]
    return estimate_by_group(lambda rows: auc(label[rows], shown[rows]), found.patient[among])


def _paired(found: HeldOutLesions) -> str:
    return str(paired_auc(found.label, found.logit, found.diameter_mm, found.patient))


def _brier(found: HeldOutLesions, rows: NDArray[np.int64]) -> float:
    return brier(found.label[rows], found.probability[rows])


def _diameter_error(found: HeldOutLesions) -> str:
    away = np.abs(found.estimated_mm - found.diameter_mm)
    return f"{np.median(away):.1f} mm; {np.percentile(away, 90):.1f} mm in nine of ten"


def _folds(found: HeldOutLesions) -> list[NDArray[np.bool_]]:
    return [found.fold == number for number in np.unique(found.fold)]
