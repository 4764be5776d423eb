"""Train the CT slice model on the published pictures; write its weights, model card and drift reference.

    python -m inference.training.slices --data DATA

The network's ImageNet features stay frozen; only one linear layer is fitted, on each picture and on variants of it.
Near-duplicates share a fold. The published validation split influences no decision; it is evaluated once, at the end.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from inference.networks.model.architectures import SliceNet
from inference.networks.model.weights import save_network
from inference.slice_classes import SLICE_CLASSES

from .arguments import options_of, parser_for
from .reference import write_reference
from .slice_card import Judged, write_slice_card
from .slice_data import read_part
from .slice_fit import (
    Linear,
    SliceRecipe,
    cross_validate,
    features_of,
    fit_linear,
    fit_temperature,
    softmax,
    start_network,
)

SERIES_FOLDS = 4


def set_linear(network: SliceNet, linear: Linear, temperature: float) -> None:
    """Put the fitted layer and the temperature into the network."""
    with torch.no_grad():
        network.classify.weight.copy_(torch.from_numpy(linear.weight.T))
        network.classify.bias.copy_(torch.from_numpy(linear.bias))
        network.temperature.fill_(temperature)


def train(data: Path, out: Path, recipe: SliceRecipe) -> None:
    """Train and validate; write slice.safetensors, slice.json, slice.md and drift_reference.csv into `out`."""
    began = time.monotonic()
    part = read_part(data / "slices", "train")
    network = start_network(recipe)
    features = features_of(network, part.greys, recipe)
    near = cross_validate(features, part.label, part.group, recipe, recipe.folds)
    far = cross_validate(features, part.label, part.series, recipe, SERIES_FOLDS)
    temperature = fit_temperature(near.scores, part.label)
    set_linear(network, fit_linear(features, part.label, recipe.penalty), temperature)
    config = save_network(
        network, out / "slice.safetensors", kind="slice", name="slice", architecture=recipe.architecture,
        input={"side": recipe.side}, classes=SLICE_CLASSES, half=True,
    )  # fmt: skip
    minutes = (time.monotonic() - began) / 60
    judged = Judged(part, near, far, temperature)
    write_slice_card(out / "slice.md", judged, read_part(data / "slices", "valid"), recipe, config, minutes)
    write_reference(out / "drift_reference.csv", part.greys, softmax(near.scores, temperature))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_for(__doc__, "folder with slices/")
    options = options_of(parser, arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    train(options.data, options.out, SliceRecipe())


if __name__ == "__main__":
    main()
