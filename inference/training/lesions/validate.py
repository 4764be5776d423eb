"""Cross-validate the lesion model: five folds by patient, predictions for patients unseen in training."""

import logging
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from inference.ct.crop_spec import CropSpec
from inference.networks.model.architectures import LesionMember

from .data import NoduleSet
from .fit import FitRecipe, fit_member, plain
from .measures import TREES

log = logging.getLogger(__name__)

# Few slices close to the point: a nodule file ends soon above and below it, but a whole scan does not. A network with a
# larger field would take the end of the file for the end of the nodule. Outside the file, the edge is repeated.
SPEC = CropSpec(shape_zyx=(3, 32, 32), spacing_zyx_mm=(2.0, 0.8, 0.8), fill_hu=None, smooth=True)


@dataclass(frozen=True)
class LesionRecipe:
    """Everything that decides the outcome besides the data.

    guard_step: of how many nodule files the guard sees one.
    trees: of the guard.
    """

    spec: CropSpec = SPEC
    fit: FitRecipe = field(default_factory=FitRecipe)
    members: int = 4
    folds: int = 5
    variants: int = 8
    guard_step: int = 1
    trees: int = TREES
    seed: int = 20


QUICK = replace(LesionRecipe(), members=1, folds=2, variants=1, guard_step=8, trees=30, fit=FitRecipe(epochs=2))


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions of the networks: each nodule's, by members that had not seen its patient.

    member_logit: (members, n). log_diameter: (n,) mean of ln(diameter / mm) - 2 as seen by the network.
    variant_logit: (variants, n), for the varied crops. fold: (n,) number of the fold in which a nodule was held out.
    """

    member_logit: NDArray[np.float64]
    log_diameter: NDArray[np.float64]
    variant_logit: NDArray[np.float64]
    fold: NDArray[np.int64]

    @property
    def logit(self) -> NDArray[np.float64]:
        """Return (n,) the members' mean."""
        return np.asarray(self.member_logit.mean(axis=0))


def fold_numbers(nodules: NoduleSet, folds: int, seed: int) -> NDArray[np.int64]:
    """Return (n,) the fold, from 0, in which each nodule is held out; all nodules of a patient share a fold.

    Raises ValueError if there are fewer patients than folds.
    """
    number = np.zeros(len(nodules.label), dtype=np.int64)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    splits = splitter.split(number, nodules.label, nodules.patient)
    for fold, (_, held_out) in enumerate(splits):
        number[held_out] = fold
    return number


def cross_validate(nodules: NoduleSet, recipe: LesionRecipe, inputs: NDArray[np.float32] | None = None) -> OutOfFold:
    """Fit every member of every fold and return their predictions for the held-out nodules.

    inputs: (n, Z, Y, X) in 0..1, what the network is shown in serving; without it, the first crop of each nodule.
    """
    fold = fold_numbers(nodules, recipe.folds, recipe.seed)
    crops = torch.from_numpy(nodules.crops)
    shown = plain(crops) if inputs is None else torch.from_numpy(inputs) * 2 - 1
    answers = np.zeros((recipe.members, len(fold), 2))
    varied = np.zeros((recipe.members, recipe.variants, len(fold)))
    for number in range(recipe.folds):
        held_out = np.flatnonzero(fold == number)
        for member in range(recipe.members):
            seed = recipe.seed + 1000 * (number + 1) + member
            network = fit_member(nodules, np.flatnonzero(fold != number), recipe.fit, seed)
            answers[member, held_out] = _answers(network, shown[held_out])[:, :2]
            for variant in range(recipe.variants):
                crop = plain(crops[held_out, 1 + variant : 2 + variant])
                varied[member, variant, held_out] = _answers(network, crop)[:, 0]
        log.info("fold %d of %d done", number + 1, recipe.folds)
    return OutOfFold(answers[..., 0], answers[..., 1].mean(axis=0), varied.mean(axis=0), fold)


@torch.no_grad()
def _answers(network: LesionMember, crops: torch.Tensor) -> NDArray[np.float64]:
    """Return (n, 3): malignancy logit, log diameter and vote of each crop (n, Z, Y, X) in -1..1."""
    answers: NDArray[np.float64] = network(crops).double().numpy()
    return answers
