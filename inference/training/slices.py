"""Train the CT slice model on the published pictures of two sources; write weights, card and drift reference.

    python -m inference.training.slices --data DATA

The network's ImageNet features stay frozen; only linear layers are fitted, on each picture and on variants of it.
Series and blocks share a fold. The published validation split influences no decision; it is evaluated once, at the end.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from inference.networks.model.weights import save_network
from inference.slice_classes import SLICE_CLASSES

from .arguments import options_of, parser_for
from .foreign_pictures import taught
from .reference import write_reference
from .slice_card import HELD_OUT_NAME, write_slice_card
from .slice_data import Pictures, read_other, read_part
from .slice_fit import SliceRecipe, features_of, start_network
from .slice_heads import Examples, cross_validate, fit_heads, fit_temperatures, set_heads
from .slice_held_out import HeldOutSlices, held_out_slices


def examples_of(first: Pictures, second: Pictures, features: np.ndarray) -> Examples:
    """Return both sources as examples. features: (1 + variants, n, features), of the first's pictures first."""
    label = np.concatenate([first.label, second.label])
    group = np.concatenate([first.series, second.series])
    return Examples(features, label, group, np.arange(len(label)) < len(first.rows))


def doubt_limits(found: HeldOutSlices) -> dict[str, np.ndarray]:
    """Return the limits as the network answers its doubts: a probability, and d / (d + 1)."""
    foreign, distance = found.limits
    return {"limits": np.array([expit(foreign), distance / (distance + 1)])}


def train(data: Path, out: Path, recipe: SliceRecipe) -> None:
    """Train and validate; write slice.safetensors, .json, .md, slice_held_out.csv, drift_reference.csv to `out`."""
    began = time.monotonic()
    first, second = read_part(data / "slices", "train"), read_other(data / "slices_other")
    network = start_network(recipe)
    examples = examples_of(first, second, features_of(network, [*first.greys, *second.greys], recipe))
    pictures = [features_of(network, greys, recipe, variants=0)[0] for greys in taught(data, recipe.seed)]
    foreign, chests = pictures
    scores = cross_validate(examples, foreign, chests, recipe)[0]
    temperature = fit_temperatures(scores, examples)
    found = held_out_slices(first, second, scores, temperature)
    found.write(out / HELD_OUT_NAME)
    set_heads(network, fit_heads(examples, foreign, chests, recipe), temperature)
    save_network(
        network, out / "slice.safetensors", kind="slice", name="slice", architecture=recipe.architecture,
        input={"side": recipe.side}, classes=SLICE_CLASSES, half=True, tables=doubt_limits(found),
    )  # fmt: skip
    write_slice_card(out / "slice.md", recipe, data, (time.monotonic() - began) / 60)
    write_reference(out / "drift_reference.csv", first.greys, found.probability[: len(first.rows)])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_for(__doc__, "folder with slices/")
    options = options_of(parser, arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    train(options.data, options.out, SliceRecipe())


if __name__ == "__main__":
    main()
