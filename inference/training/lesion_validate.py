"""Cross-validate the lesion model: five folds by patient, predictions for patients unseen in training."""

import logging
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from inference.ct.crop_spec import CropSpec
from inference.networks.model.architectures import LesionMember

from .lesion_data import NoduleSet
from .lesion_fit import FitRecipe, fit_member, plain

log = logging.getLogger(__name__)

# Few slices close to the point: a nodule file ends soon above and below it, but a whole scan does not. A network with a
# larger field would take the end of the file for the end of the nodule. Outside the file, the edge is repeated.
SPEC = CropSpec(shape_zyx=(3, 32, 32), spacing_zyx_mm=(2.0, 0.8, 0.8), fill_hu=None, smooth=True)


@dataclass(frozen=True)
class LesionRecipe:
    """Everything that decides the outcome besides the data."""

    spec: CropSpec = SPEC
    fit: FitRecipe = field(default_factory=FitRecipe)
    members: int = 4
    folds: int = 5
    variants: int = 8
    seed: int = 20


QUICK = replace(LesionRecipe(), members=1, folds=2, variants=1, fit=FitRecipe(epochs=2))


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions: each nodule's logits by members that had not seen its patient.

    logit: (n,) mean over members. member_logit: (members, n).
    variant_logit: (variants, n), for the varied crops.
    fold: (n,) number of the fold in which a nodule was held out.
    """

    logit: NDArray[np.float64]
    member_logit: NDArray[np.float64]
    variant_logit: NDArray[np.float64]
    fold: NDArray[np.int64]


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


def cross_validate(nodules: NoduleSet, recipe: LesionRecipe) -> OutOfFold:
    """Fit every member of every fold and return their predictions for the held-out nodules."""
    fold = fold_numbers(nodules, recipe.folds, recipe.seed)
    crops = torch.from_numpy(nodules.crops)
    answers = np.zeros((recipe.members, 1 + recipe.variants, len(fold)))
    for number in range(recipe.folds):
        held_out = np.flatnonzero(fold == number)
        for member in range(recipe.members):
            seed = recipe.seed + 1000 * (number + 1) + member
            network = fit_member(nodules, np.flatnonzero(fold != number), recipe.fit, seed)
            answers[member, :, held_out] = _logits(network, crops[held_out])
        log.info("fold %d of %d done", number + 1, recipe.folds)
    return OutOfFold(answers[:, 0].mean(axis=0), answers[:, 0], answers[:, 1:].mean(axis=0), fold)


@torch.no_grad()
def _logits(network: LesionMember, crops: torch.Tensor) -> NDArray[np.float64]:
    """Return (n, 1 + variants) malignancy logits of each nodule's crops."""
    columns = [network(plain(crops[:, variant : variant + 1]))[:, 0] for variant in range(crops.shape[1])]
    return torch.stack(columns, dim=1).double().numpy()
