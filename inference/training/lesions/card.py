"""The lesion model's card: training data, validation, limitations, and the items of TRIPOD+AI and CLAIM."""

from pathlib import Path

from inference.ct.reading.metaimage import read_volume
from inference.networks.model.lesion_judge import (
    FULL_SIZE_MM,
    HAND_SHARE,
    MEASURED_SHARE,
)
from inference.networks.model.predictor import LesionPredictor, load_lesion_predictor
from inference.training.cards import LESION_ITEMS, bullets, items_table, write_card

from .data import read_rows
from .figures import figures_table, subgroups_table
from .held_out import UNDECIDED_VOTE, HeldOutLesions
from .trust import phantom_table, units_table
from .validate import LesionRecipe

VOLUME = "LIDC-IDRI-0001"
HELD_OUT_NAME = "lesion_held_out.csv"
PHANTOM_SEEDS = range(20)


def write_lesion_card(path: Path, recipe: LesionRecipe, data: Path, guard: str, minutes: float) -> None:
    """Write the card of the weights and held-out answers that lie beside `path`. guard: what `guard_table` says."""
    predictor = load_lesion_predictor(path.with_suffix(".json"), path.with_suffix(".safetensors"))
    found = HeldOutLesions.read(path.with_name(HELD_OUT_NAME), data / "lidc_nodules")
    sections = {
        "What it is": _what(predictor, recipe),
        "Data": _data(found),
        "Training": _training(recipe, minutes),
        **lesion_figures(found, predictor, data, guard),
        "Limits": LIMITS,
        "Topics of TRIPOD+AI and CLAIM 2024": items_table(LESION_ITEMS),
        "Attribution": ATTRIBUTION,
    }
    write_card(path, "Lesion malignancy model", sections)


def lesion_figures(found: HeldOutLesions, predictor: LesionPredictor, data: Path, guard: str) -> dict[str, str]:
    """Return the sections that hold figures; `make bench-models` prints them too. guard: `guard_table`'s."""
    return {
        "How good it is": figures_table(found),
        "Where it is better and worse": subgroups_table(found),
        "What the warnings catch and miss": "\n\n".join([
            guard, units_table(data), phantom_table(predictor, PHANTOM_SEEDS),
        ]),
        "From a nodule's file and from its whole scan": _file_and_volume_line(predictor, data),
    }  # fmt: skip


def _what(predictor: LesionPredictor, recipe: LesionRecipe) -> str:
    z, y, x = recipe.spec.shape_zyx
    dz, dy, dx = recipe.spec.spacing_zyx_mm
    low, high = recipe.spec.window_hu
    return bullets([
        f"Version `{predictor.version}`. Answers the probability that a lung nodule is malignant, as LIDC's "
        "readers see it, its range over the members and over positions within 2 mm, and a diameter.",
        f"Input: a world coordinate (mm, LPS) in a CT; cropped to {z} axial slices {dz} mm apart of {y} x "
        f"{x} pixels of {dy} x {dx} mm, {low:.0f} to {high:.0f} HU as 0..1; beyond the scan its nearest "
        "voxel is repeated.",
        f"Two scales: a lesion measured larger than {FULL_SIZE_MM:.0f} mm, by rays from its middle, is shown to the "
        "network smaller, so that it fits; its measured size then raises the risk by itself. So the risk does not "
        "fall with size (a test: spheres of 5 to 60 mm at three densities).",
        f"{recipe.members} small residual networks that differ by their seed, averaged; {HAND_SHARE:.0%} of the "
        "logit is a logistic regression on 41 measures of size, edge and density; Platt's calibration.",
        f"The diameter is the network's, with {MEASURED_SHARE:.0%} (on the log scale) of the measured one where lung "
        "surrounds the lesion. A guard of 300 small trees on the same measures doubts points in no lung lesion.",
        "Made by `python -m inference.training.lesion --data DATA`; `make bench-models` prints its figures again.",
    ])  # fmt: skip


def _data(found: HeldOutLesions) -> str:
    return bullets([
        f"{len(found.label)} nodules of {len(set(found.patient))} patients of LIDC-IDRI, {int(found.label.sum())} "
        "labelled malignant; one nodule whose coordinate lies outside its file is left out.",
        f"Labels are radiologists' votes, not pathology: {int((found.vote == UNDECIDED_VOTE).sum())} nodules have the "
        "undecided vote 3. The strict figures leave those out and call a vote over 3 malignant; at "
        f"{_contradicted(found)} of the others the data's label, which is learnt and counts in all other figures, says "
        "the opposite.",
        "Every figure below comes from parts that had seen no nodule of the same patient (network, regression, "
        "calibration and guard). The shipped weights are fitted on all nodules, so no data at hand judges them.",
    ])  # fmt: skip


def _contradicted(found: HeldOutLesions) -> int:
    decided = found.vote != UNDECIDED_VOTE
    return int((found.strict.label != found.label[decided]).sum())


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
        "The share of the regression and the size from which the field is zoomed were chosen on the same held-out "
        "answers, among few values that differed by under 0.002 in AUC: docs/decisions/ has the list, and what failed.",
    ])  # fmt: skip


def _file_and_volume_line(predictor: LesionPredictor, data: Path) -> str:
    if not (data / "volumes").is_dir():
        return "Not measured: there was no whole scan."
    from_file, from_volume = file_and_volume(predictor, data)
    return f"{VOLUME}: {from_file:.3f} from the nodule file, {from_volume:.3f} from the whole volume."


def file_and_volume(predictor: LesionPredictor, data: Path) -> tuple[float, float]:
    """Return the probability of the first lesion of VOLUME from its nodule file and from the whole scan."""
    [row] = [row for row in read_rows(data / "lidc_nodules") if row.path.stem == f"{VOLUME}_1"]
    [whole] = (data / "volumes").glob("*.mha")
    from_file, from_volume = (
        predictor.probabilities([row.point_xyz_mm], read_volume(path))[0] for path in (row.path, whole)
    )
    return from_file, from_volume


LIMITS = bullets([
    "Votes of radiologists are what it learnt; a biopsy may say otherwise, and the base rate of "
    "malignancy in LIDC's selection (a third) is far above screening's. Recalibrate before comparing its "
    "numbers with anybody's risk.",
    "It is given a place and answers there all the same; the guard warns at most places that are no lesion, and "
    "wrongly at a few nodules, most often at masses over 30 mm, of which the data have next to none.",
    "It sees 26 mm across (80 mm for its measures) and about 4 mm above and below: not the rest of the lung, no "
    "earlier scan, no history.",
    "LIDC is adult chest CT of the United States, about 2000 to 2010; other scanners, kernels and slice "
    "distances were imitated in training, not seen. Slices over 2.5 mm apart were never seen.",
    "Size carries most of the answer. Small malignant nodules are where it fails: at 0.5 it misses nine of ten up to "
    "8 mm. Over all labels it is not better than the readers' diameter beyond chance; on the strict label it is, "
    "narrowly.",
])  # fmt: skip
ATTRIBUTION = bullets([
    "LIDC-IDRI: Armato et al., Medical Physics 38 (2011); The Cancer Imaging Archive, 2015, doi "
    "10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0. Nodule cut-outs after ct-slicing.",
    "The weights are this repository's and hold no picture of anybody.",
])  # fmt: skip
