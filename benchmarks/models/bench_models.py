"""Figures of the site's own models, on data that they had not seen: the tables of their cards.

    PYTHONPATH=. python benchmarks/models/bench_models.py [--data DATA]

The networks' held-out answers lie beside the weights, from the same training run; labels and patients come from the
data. The guard of places is fitted again without each patient in turn. Needs the real data (LUNASITE_REAL_DATA), and
no GPU.
"""

import argparse
import os
from pathlib import Path

import torch

from inference.networks.config import WEIGHTS_DIR
from inference.networks.model.predictor import load_lesion_predictor, load_slice_predictor
from inference.training.arguments import DATA_VARIABLE
from inference.training.lesions.card import HELD_OUT_NAME as LESION_HELD_OUT
from inference.training.lesions.card import lesion_figures
from inference.training.lesions.held_out import HeldOutLesions
from inference.training.lesions.measures import gather_places, held_out_doubt
from inference.training.lesions.trust import guard_table
from inference.training.lesions.validate import LesionRecipe
from inference.training.slice_card import HELD_OUT_NAME as SLICE_HELD_OUT
from inference.training.slice_figures import slice_figures
from inference.training.slice_fit import SliceRecipe
from inference.training.slice_held_out import HeldOutSlices

USUAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def sections(data: Path) -> dict[str, dict[str, str]]:
    """Return the tables of both models by heading."""
    lesion = load_lesion_predictor(WEIGHTS_DIR / "lesion.json", WEIGHTS_DIR / "lesion.safetensors")
    slices = load_slice_predictor(WEIGHTS_DIR / "slice.json", WEIGHTS_DIR / "slice.safetensors")
    lesions = HeldOutLesions.read(WEIGHTS_DIR / LESION_HELD_OUT, data / "lidc_nodules")
    pictures = HeldOutSlices.read(WEIGHTS_DIR / SLICE_HELD_OUT, data)
    places = gather_places(data, LesionRecipe().seed)
    guard = guard_table(places, held_out_doubt(places))
    return {
        f"Lesion model {lesion.version}": lesion_figures(lesions, lesion, data, guard),
        f"Slice model {slices.version}": slice_figures(pictures, slices, data, SliceRecipe().seed),
    }


def differing(found: dict[str, dict[str, str]]) -> list[str]:
    """Return the sections whose tables differ from those of the card."""
    cards = [(WEIGHTS_DIR / name).read_text() for name in ("lesion.md", "slice.md")]
    pairs = zip(cards, found.items(), strict=True)
    return [f"{model}: {name}" for card, (model, parts) in pairs for name, text in parts.items() if text not in card]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get(DATA_VARIABLE) or USUAL_DATA))
    data = parser.parse_args().data
    if not (data / "lidc_nodules").is_dir():
        raise SystemExit(f"no real data at {data}: set {DATA_VARIABLE}")
    torch.set_num_threads(1)
    found = sections(data)
    for model, parts in found.items():
        print(f"# {model}\n")
        for name, text in parts.items():
            print(f"## {name}\n\n{text}\n")
    wrong = differing(found)
    print("The cards hold the same numbers." if not wrong else f"The cards differ in: {', '.join(wrong)}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
