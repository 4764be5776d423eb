"""The slice model's figures; the card and `make bench-models` print the same tables."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.ct.reading.errors import InvalidImageFile
from inference.networks.model.predictor import SlicePredictor
from inference.networks.model.slice_doubts import refuse_blank
from inference.slice_classes import SLICE_CLASSES

from .cards import table
from .foreign_pictures import judged, lesion_planes
from .metrics import accuracy, auc, confusion, estimate_by_group, exact_share, log_loss, macro_f1
from .slice_data import Grey, Pictures, read_part
from .slice_held_out import SOURCES, HeldOutSlices

NORMAL = SLICE_CLASSES.index("normal")
SURE = 0.9
Floats = NDArray[np.float64]


def slice_figures(found: HeldOutSlices, predictor: SlicePredictor, data: Path, seed: int) -> dict[str, str]:
    """Return the sections of the card that hold figures."""
    first = found.source == SOURCES[0]
    valid = read_part(data / "slices", "valid")
    known = read_part(data / "slices", "train")
    return {
        "How good it is": "\n\n".join([
            _of_first(found, first, valid, known, predictor), _cancer_or_normal(found),
            "First source held out by series, true class by row, predicted by column:",
            _confusion(found.label[first], found.probability[first]),
        ]),
        "What the warnings catch and miss": "\n\n".join([
            _missed(found), _in_scans(predictor, lesion_planes(data)), _foreign(predictor, judged(data, seed)),
        ]),
    }  # fmt: skip


def _of_first(
    found: HeldOutSlices, first: NDArray[np.bool_], valid: Pictures, known: Pictures, predictor: SlicePredictor
) -> str:
    shown = np.array(predictor.probabilities(valid.greys))
    new = ~np.isin(valid.group, known.group)
    columns = [
        _column(found.label[first], found.probability[first], found.group[first]),
        _column(valid.label, shown, valid.group),
        _column(valid.label[new], shown[new], valid.group[new]),
    ]
    head = (
        "figure of the first source (95 % interval, bootstrap over groups)",
        "held out by series: new patients",
        "published valid: slices of known patients",
        "valid without near-duplicates of train",
    )
    names = ("accuracy", "macro F1", "accuracy among the cancers", "cancer or normal, accuracy", "log loss")
    return table(head, [(name, *values) for name, *values in zip(names, *columns, strict=True)])


def _column(label: NDArray[np.int64], probability: Floats, group: NDArray[np.str_]) -> list[str]:
    cancer = label != NORMAL
    called_normal = probability[:, NORMAL] > 0.5
    estimates = [
        estimate_by_group(lambda rows: accuracy(label[rows], probability[rows]), group),
        estimate_by_group(lambda rows: macro_f1(label[rows], probability[rows]), group),
        estimate_by_group(
            lambda rows: accuracy(label[cancer][rows], probability[cancer][rows][:, :NORMAL]), group[cancer]
        ),
        estimate_by_group(lambda rows: float(np.mean((called_normal == ~cancer)[rows])), group),
    ]
    return [*map(str, estimates), f"{log_loss(label, probability):.3f}"]


def _cancer_or_normal(found: HeldOutSlices) -> str:
    rows = []
    for source in SOURCES:
        inside = found.source == source
        cancer = (found.label[inside] != NORMAL).astype(np.int64)
        score, group = 1 - found.probability[inside, NORMAL], found.group[inside]
        shown = estimate_by_group(lambda chosen, c=cancer, s=score: auc(c[chosen], s[chosen]), group)  # type: ignore[misc]
        rows.append((f"{source} source, both learnt from, held out by series or block", len(cancer), shown))
    return table(("cancer or normal", "pictures", "AUC"), rows)


def _missed(found: HeldOutSlices) -> str:
    """Return the shares of cancers that are called normal surely, and of pictures warned wrongly."""
    foreign, distance = found.limits
    warned = (found.foreign > foreign) | (found.distance > distance)
    rows = []
    for source in SOURCES:
        inside = found.source == source
        cancer = inside & (found.label != NORMAL)
        missed = found.probability[:, NORMAL] > SURE
        rows.append((
            source, int(cancer.sum()), exact_share(missed[cancer]), exact_share((missed & ~warned)[cancer]),
            exact_share(warned[inside]),
        ))  # fmt: skip
    head = (
        "source, held out", "cancers", f"called normal above {SURE}", "of them without a warning",
        "false alarms, all pictures",
    )  # fmt: skip
    return table(head, rows)


def _in_scans(predictor: SlicePredictor, planes: dict[str, list[Grey]]) -> str:
    """Return the same for planes through the lesions of whole scans, in three windows."""
    rows = []
    for name, greys in planes.items():
        readings = [predictor.reading(grey) for grey in greys]
        missed = np.array([reading.probabilities[NORMAL] > SURE for reading in readings])
        warned = np.array([bool(reading.warnings) for reading in readings])
        rows.append((name, len(greys), exact_share(missed), exact_share(missed & ~warned), exact_share(warned)))
    return table(("planes through a lesion of", "planes", f"normal above {SURE}", "without a warning", "warned"), rows)


def _foreign(predictor: SlicePredictor, kinds: dict[str, list[Grey]]) -> str:
    rows = [(kind, len(greys), *_caught(predictor, greys)) for kind, greys in kinds.items()]
    rows.append(("blank", 3, *_caught(predictor, [np.full((64, 64), level, np.uint8) for level in (0, 128, 255)])))
    head = ("pictures that the model never saw", "number", "refused, or NOT_A_CHEST_CT", "UNFAMILIAR_SOURCE")
    return table(head, rows)


def _caught(predictor: SlicePredictor, greys: list[Grey]) -> tuple[str, str]:
    codes = [_codes(predictor, grey) for grey in greys]
    return tuple(str(exact_share(np.array([code in item for item in codes]))) for code in CODES)  # type: ignore[return-value]


CODES = ("NOT_A_CHEST_CT", "UNFAMILIAR_SOURCE")


def _codes(predictor: SlicePredictor, grey: Grey) -> list[str]:
    try:
        refuse_blank(grey)
    except InvalidImageFile:
        return [CODES[0]]
    return list(predictor.reading(grey).warnings)


def _confusion(label: NDArray[np.int64], probability: Floats) -> str:
    counts = confusion(label, probability)
    rows = [(name, *line) for name, line in zip(SLICE_CLASSES, counts.tolist(), strict=True)]
    return table(("", *SLICE_CLASSES), rows)
