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

from inference.ct.lesion_shape import Shape
from inference.networks.model.architectures import LesionNet
from inference.networks.model.lesion_judge import LesionJudge, network_inputs
from inference.networks.model.weights import save_network

from .arguments import options_of, parser_for
from .lesions.card import HELD_OUT_NAME, write_lesion_card
from .lesions.data import NoduleSet, load_nodules
from .lesions.fit import fit_member
from .lesions.held_out import HeldOutLesions, held_out_lesions
from .lesions.measures import (
    Places,
    as_trees,
    fit_guard,
    fit_hand,
    gather_places,
    held_out_doubt,
    limit_of,
    nodule_fields,
)
from .lesions.trust import guard_table
from .lesions.validate import QUICK, LesionRecipe, cross_validate
from .metrics import fit_platt


def fit_all(nodules: NoduleSet, recipe: LesionRecipe) -> LesionNet:
    """Return the network to ship: members fitted on every nodule, in eval mode."""
    network = LesionNet(recipe.members, recipe.spec.shape_zyx[0], recipe.fit.width)
    everything = np.arange(len(nodules.label))
    for member in range(recipe.members):
        fitted = fit_member(nodules, everything, recipe.fit, recipe.seed + member)
        network.members[member].load_state_dict(fitted.state_dict())
    return network.eval()


def fit_judge(found: HeldOutLesions, shapes: list[Shape], places: Places, limit: float, trees: int) -> LesionJudge:
    """Return what is computed beside the network, fitted on every nodule and place.

    found: the held-out answers, which calibrate. limit: the doubt from which to warn, from held-out places. trees: how
    many the guard has.
    """
    weight, bias = fit_hand(np.array([shape.values for shape in shapes]), found.label)
    platt = fit_platt(found.label, found.logit)
    guard = as_trees(fit_guard(places, np.arange(len(places.label)), trees))
    return LesionJudge(weight, bias, platt.slope, platt.intercept, guard, limit)


def train(data: Path, out: Path, recipe: LesionRecipe) -> None:
    """Train and validate; write lesion.safetensors, lesion.json, lesion_held_out.csv and lesion.md into `out`."""
    began = time.monotonic()
    nodules = load_nodules(data / "lidc_nodules", recipe.spec, recipe.variants, recipe.seed)
    fields, shapes = nodule_fields(nodules.rows)
    inputs = [network_inputs(field, shape, recipe.spec)[0, 0] for field, shape in zip(fields, shapes, strict=True)]
    found = held_out_lesions(nodules, shapes, cross_validate(nodules, recipe, np.stack(inputs)))
    found.write(out / HELD_OUT_NAME)
    places = gather_places(data, recipe.seed, recipe.guard_step)
    doubt = held_out_doubt(places, recipe.trees)
    limit = limit_of(places, doubt)
    network = fit_all(nodules, recipe)
    architecture = {"members": recipe.members, "slices": recipe.spec.shape_zyx[0], "width": recipe.fit.width}
    save_network(
        network, out / "lesion.safetensors", kind="lesion", name="lesion", architecture=architecture,
        input=asdict(recipe.spec), tables=fit_judge(found, shapes, places, limit, recipe.trees).tables(),
    )  # fmt: skip
    write_lesion_card(out / "lesion.md", recipe, data, guard_table(places, doubt), (time.monotonic() - began) / 60)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_for(__doc__, "folder with lidc_nodules/")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; learns next to nothing")
    options = options_of(parser, arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    train(options.data, options.out, QUICK if options.quick else LesionRecipe())


if __name__ == "__main__":
    main()
