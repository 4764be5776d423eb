"""Train the lesion model on the nodules, and write its weights and model card.

    python -m inference.training.lesion --data DATA

Cross-validation with five folds by patient and several members per fold: the out-of-fold predictions give every
figure of the card and the calibration. Then the same recipe is fitted on all nodules for the shipped weights.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from inference.networks.model.architectures import LesionNet
from inference.networks.model.weights import save_network

from .arguments import options_of, parser_for
from .lesion_card import write_lesion_card
from .lesion_data import NoduleSet, load_nodules
from .lesion_fit import fit_member
from .lesion_validate import QUICK, LesionRecipe, cross_validate
from .metrics import Platt, fit_platt


def fit_all(nodules: NoduleSet, recipe: LesionRecipe, platt: Platt) -> LesionNet:
    """Return the model to ship: members fitted on every nodule, calibrated by `platt`, in eval mode."""
    network = LesionNet(recipe.members, recipe.spec.shape_zyx[0], recipe.fit.width)
    everything = np.arange(len(nodules.label))
    for member in range(recipe.members):
        fitted = fit_member(nodules, everything, recipe.fit, recipe.seed + member)
        network.members[member].load_state_dict(fitted.state_dict())
    network.slope.fill_(platt.slope)
    network.intercept.fill_(platt.intercept)
    return network.eval()


def train(data: Path, out: Path, recipe: LesionRecipe) -> None:
    """Train and validate the model; write lesion.safetensors, lesion.json and lesion.md into `out`."""
    began = time.monotonic()
    nodules = load_nodules(data / "lidc_nodules", recipe.spec, recipe.variants, recipe.seed)
    held_out = cross_validate(nodules, recipe)
    network = fit_all(nodules, recipe, fit_platt(nodules.label, held_out.logit))
    architecture = {"members": recipe.members, "slices": recipe.spec.shape_zyx[0], "width": recipe.fit.width}
    weights = out / "lesion.safetensors"
    config = save_network(
        network, weights, kind="lesion", name="lesion", architecture=architecture, input=asdict(recipe.spec)
    )
    minutes = (time.monotonic() - began) / 60
    write_lesion_card(out / "lesion.md", nodules, held_out, recipe, config, data, minutes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_for(__doc__, "folder with lidc_nodules/")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; learns next to nothing")
    options = options_of(parser, arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    train(options.data, options.out, QUICK if options.quick else LesionRecipe())


if __name__ == "__main__":
    main()
