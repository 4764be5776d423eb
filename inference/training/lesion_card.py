"""The lesion model's card: training data, validation, limitations."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.ct.cropping import crop_around
from inference.ct.reading.metaimage import read_volume
from inference.networks.model.predictor import LesionPredictor, load_lesion_predictor
from inference.networks.model.weights import ModelConfig

from .cards import bullets, table, write_card
from .lesion_data import NoduleSet, read_rows
from .lesion_validate import LesionRecipe, OutOfFold
from .metrics import Estimate, auc, brier, calibration_line, cross_fitted, estimate_by_group

VOLUME = "LIDC-IDRI-0001"
UNDECIDED_VOTE = 3
Floats = NDArray[np.float64]


def write_lesion_card(
    path: Path,
    nodules: NoduleSet,
    held_out: OutOfFold,
    recipe: LesionRecipe,
    config: ModelConfig,
    data: Path,
    minutes: float,
) -> None:
    """Write the card of the weights that lie beside `path`."""
    predictor = load_lesion_predictor(path.with_suffix(".json"), path.with_suffix(".safetensors"))
    probability = cross_fitted(nodules.label, held_out.logit, held_out.fold)
    sections = {
        "What it is": _what(config, recipe),
        "Data": _data(nodules),
        "Training": _training(recipe, minutes),
        "How good it is": _figures(nodules, held_out, probability),
        "Where it is better and worse": _subgroups(nodules, held_out.logit, probability),
        "What does not change the answer": _stability(nodules, held_out, predictor, data),
        "Limits": LIMITS,
        "Attribution": ATTRIBUTION,
    }
    write_card(path, "Lesion malignancy model", sections)


def _what(config: ModelConfig, recipe: LesionRecipe) -> str:
    z, y, x = recipe.spec.shape_zyx
    dz, dy, dx = recipe.spec.spacing_zyx_mm
    low, high = recipe.spec.window_hu
    return bullets([
        f"Version `{config.version}`. Answers the probability that a lung nodule is malignant, as LIDC's "
        "readers see it.",
        f"Input: a world coordinate (mm, LPS) in a CT; cropped to {z} axial slices {dz} mm apart of {y} x "
        f"{x} pixels of {dy} x {dx} mm, {low:.0f} to {high:.0f} HU as 0..1; beyond the scan its nearest "
        "voxel is repeated.",
        f"{recipe.members} small residual networks that differ by their seed, averaged, calibrated by "
        "Platt's method.",
        "Made by `python -m inference.training.lesion --data DATA`.",
    ])  # fmt: skip


def _data(nodules: NoduleSet) -> str:
    malignant = int(nodules.label.sum())
    return bullets([
        f"{len(nodules.label)} nodules of {len(set(nodules.patient))} patients of LIDC-IDRI, {malignant} "
        "labelled malignant; one nodule whose coordinate lies outside its file is left out.",
        f"Labels are radiologists' votes, not pathology: {int((nodules.vote == UNDECIDED_VOTE).sum())} "
        "nodules have the undecided median vote 3. The strict figures leave those out.",
        "Every figure below comes from members that had seen no nodule of the same patient. The shipped "
        "weights are fitted on all nodules, so no data at hand judges them.",
    ])  # fmt: skip


def _training(recipe: LesionRecipe, minutes: float) -> str:
    fit = recipe.fit
    return bullets([
        f"{recipe.folds} folds by patient, {recipe.members} members each, then {recipe.members} on "
        f"everything: {minutes:.0f} minutes on one of two shared cores. Seed {recipe.seed}; the same seed "
        "gives the same figures within noise.",
        f"{fit.epochs} epochs of AdamW with one cycle (rate {fit.learning_rate}, decay "
        f"{fit.weight_decay}), running average of the weights. Target: {1 - fit.vote_share:.1f} label + "
        f"{fit.vote_share:.1f} vote; diameter and vote are learnt beside it, so that the network sees "
        "size.",
        f"{recipe.variants} variants of each crop: file cut at random extents, thin slices averaged in "
        "pairs, slice distance and coordinate jittered; then turned, mirrored, scaled, shifted, made "
        "noisy, bright, dark or soft.",
        "Field and slices were chosen by five folds by patient, drawn with another seed, among a handful of variants "
        "that differed by less than the interval below, width and members for speed; nothing was chosen on other data.",
    ])  # fmt: skip


def _figures(nodules: NoduleSet, held_out: OutOfFold, probability: Floats) -> str:
    label, patient = nodules.label, nodules.patient
    strict = np.flatnonzero(nodules.vote != UNDECIDED_VOTE)
    line = calibration_line(label, probability)
    rows = [
        ("AUC", _auc(nodules, held_out.logit)),
        ("AUC, strict label (vote 3 left out)", _auc(nodules, held_out.logit, strict)),
        ("AUC of the diameter alone, which the model does not receive", _auc(nodules, nodules.diameter_mm)),
        (
            "AUC of a single member, mean",
            f"{np.mean([auc(label, item) for item in held_out.member_logit]):.3f}",
        ),
        ("Brier score", estimate_by_group(lambda rows: brier(label[rows], probability[rows]), patient)),
        ("Calibration slope (1 is right)", f"{line.slope:.2f}"),
        ("Calibration intercept (0 is right)", f"{line.intercept:.2f}"),
        ("Accuracy at 0.5", _share(label == (probability >= 0.5), patient)),
        ("Sensitivity at 0.5", _share(probability >= 0.5, patient, label == 1)),
        ("Specificity at 0.5", _share(probability < 0.5, patient, label == 0)),
    ]
    folds = ", ".join(f"{auc(label[f], held_out.logit[f]):.3f}" for f in _each_fold(held_out.fold))
    return (
        table(("figure, out of fold", "value (95 % interval, bootstrap over patients)"), rows)
        + f"\n\nAUC by fold: {folds}. Each fold's probabilities are calibrated on the other folds."
    )


def _auc(nodules: NoduleSet, score: Floats, among: NDArray[np.int64] | None = None) -> Estimate:
    chosen = np.arange(len(score)) if among is None else among
    label, shown = nodules.label[chosen], score[chosen]
    return estimate_by_group(lambda rows: auc(label[rows], shown[rows]), nodules.patient[chosen])


def _share(right: NDArray[np.bool_], patient: NDArray[np.str_], among: NDArray[np.bool_] | None = None) -> Estimate:
    chosen = np.ones(len(right), dtype=bool) if among is None else among
    shown = right[chosen]
    return estimate_by_group(lambda rows: float(shown[rows].mean()), patient[chosen])


def _each_fold(fold: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    return (fold == number for number in np.unique(fold))


def _subgroups(nodules: NoduleSet, logit: Floats, probability: Floats) -> str:
    slice_mm = np.array([row.spacing_zyx_mm[0] for row in nodules.rows])
    pixel_mm = np.array([row.spacing_zyx_mm[2] for row in nodules.rows])
    masks = {
        "slices up to 1 mm apart": slice_mm <= 1,
        "slices 1 to 2 mm apart": (slice_mm > 1) & (slice_mm <= 2),
        "slices over 2 mm apart": slice_mm > 2,
        "pixels up to 0.65 mm": pixel_mm <= 0.65,
        "pixels over 0.65 mm": pixel_mm > 0.65,
        "diameter up to 8 mm": nodules.diameter_mm <= 8,
        "diameter 8 to 15 mm": (nodules.diameter_mm > 8) & (nodules.diameter_mm <= 15),
        "diameter over 15 mm": nodules.diameter_mm > 15,
    }
    rows = [_subgroup(name, np.flatnonzero(mask), nodules, logit, probability) for name, mask in masks.items()]
    return table(("subgroup", "nodules", "malignant", "mean probability", "AUC", "AUC of the diameter"), rows)


def _subgroup(
    name: str, rows: NDArray[np.int64], nodules: NoduleSet, logit: Floats, probability: Floats
) -> tuple[object, ...]:
    share, mean = nodules.label[rows].mean(), probability[rows].mean()
    both = _auc(nodules, logit, rows), _auc(nodules, nodules.diameter_mm, rows)
    return name, len(rows), f"{share:.2f}", f"{mean:.2f}", *both


def _stability(nodules: NoduleSet, held_out: OutOfFold, predictor: LesionPredictor, data: Path) -> str:
    change = np.abs(_sigmoid(held_out.variant_logit) - _sigmoid(held_out.logit))
    varied = np.mean([auc(nodules.label, item) for item in held_out.variant_logit])
    lines = [
        f"Crops varied as in training (cut files, thick slices, moved coordinate): AUC {varied:.3f}, the "
        f"probability moves by {change.mean():.3f} on average and by less than "
        f"{np.percentile(change, 95):.2f} in 95 of 100."
    ]
    if (data / "volumes").is_dir():
        from_file, from_volume = file_and_volume(predictor, data)
        lines.append(f"{VOLUME}: {from_file:.3f} from the nodule file, {from_volume:.3f} from the whole volume.")
    return bullets(lines)


def file_and_volume(predictor: LesionPredictor, data: Path) -> tuple[float, float]:
    """Return the probability of the first lesion of VOLUME from its nodule file and from the whole scan."""
    [row] = [row for row in read_rows(data / "lidc_nodules") if row.path.stem == f"{VOLUME}_1"]
    [whole] = (data / "volumes").glob("*.mha")
    answer: Callable[[Path], float] = lambda path: predictor.probabilities(  # noqa: E731
        [crop_around(row.point_xyz_mm, read_volume(path), predictor.spec)]
    )[0]
    return answer(row.path), answer(whole)


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logit)))


LIMITS = bullets([
    "Votes of radiologists are what it learnt; a biopsy may say otherwise, and the base rate of "
    "malignancy in LIDC's selection (a third) is far above screening's. Recalibrate before comparing its "
    "numbers with anybody's risk.",
    "It is given a place and believes that a nodule is there: pointed at a vessel or at nothing it "
    "answers all the same.",
    "It sees 25 mm across and about 4 mm above and below: not the rest of the lung, no earlier scan, no "
    "history.",
    "LIDC is adult chest CT of the United States, about 2000 to 2010; other scanners, kernels and slice "
    "distances were imitated in training, not seen. Slices over 2.5 mm apart were never seen.",
    "Size carries most of the answer. Small malignant nodules are where it fails.",
])  # fmt: skip
ATTRIBUTION = bullets([
    "LIDC-IDRI: Armato et al., Medical Physics 38 (2011); The Cancer Imaging Archive, 2015, doi "
    "10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0. Nodule cut-outs after ct-slicing.",
    "The weights are this repository's and hold no picture of anybody.",
])  # fmt: skip
