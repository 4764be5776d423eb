"""Fit one member of the lesion model: augmentation, losses, averaged weights."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.networks.model.architectures import LesionMember

from .data import MARGIN_VOXELS, NoduleSet

# On a processor without AVX-512, the backward pass of torch 2.13's channels-last 2D convolutions corrupts the heap at
# a width of 4: the process aborts ("double free or corruption") or hangs. Multiples of 8, the floats of an AVX2
# vector, are safe. Other widths are refused on every processor, so that a recipe that runs here runs anywhere.
WIDTH_STEP = 8


@dataclass(frozen=True)
class FitRecipe:
    """How a member is fitted.

    width: channels of the first layer, a multiple of WIDTH_STEP.
    vote_share: how much of the target is the vote instead of the label.
    Raises ValueError for any other width.
    """

    epochs: int = 30
    batch: int = 64
    width: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    vote_share: float = 0.3
    diameter_loss: float = 1.0
    vote_loss: float = 0.3
    average_decay: float = 0.98
    scale_jitter: float = 0.06
    shift_mm_share: float = 0.05

    def __post_init__(self) -> None:
        if self.width <= 0 or self.width % WIDTH_STEP:
            raise ValueError(f"width must be a multiple of {WIDTH_STEP}, not {self.width}: see WIDTH_STEP")


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of the fit. malignancy: (n,) 0..1. log_diameter, vote: (n,) centred near 0."""

    malignancy: Tensor
    log_diameter: Tensor
    vote: Tensor


def targets_of(nodules: NoduleSet, recipe: FitRecipe) -> Targets:
    """Return each nodule's targets (n,): label mixed with vote, ln(diameter / mm) - 2, vote in -1..1."""
    label = torch.tensor(nodules.label, dtype=torch.float32)
    vote = torch.tensor(nodules.vote, dtype=torch.float32)
    malignancy = (1 - recipe.vote_share) * label + recipe.vote_share * (vote - 1) / 4
    log_diameter = torch.tensor(np.log(nodules.diameter_mm), dtype=torch.float32) - 2
    return Targets(malignancy, log_diameter, (vote - 3) / 2)


def fit_member(nodules: NoduleSet, chosen: NDArray[np.int64], recipe: FitRecipe, seed: int) -> LesionMember:
    """Return a member fitted on the `chosen` nodules, in eval mode: the running average of its weights.

    chosen: (m,) row numbers; the last rows of an epoch, if they do not fill a batch, move to the next epoch.
    The same seed on the same machine gives the same member.
    Sources: AdamW, Loshchilov & Hutter (2019); one cycle, Smith & Topin (2019); averaging, Polyak & Juditsky (1992),
    here exponential.
    """
    torch.manual_seed(seed)
    targets, crops = targets_of(nodules, recipe), torch.from_numpy(nodules.crops)
    # Channels last: the same results in half the time for a 3x3 convolution on a CPU.
    network = LesionMember(crops.shape[2], recipe.width)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    per_epoch = max(1, len(chosen) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.epochs * per_epoch, pct_start=0.2
    )
    network.train()
    for step in range(recipe.epochs * per_epoch):
        if step % per_epoch == 0:
            order = torch.from_numpy(chosen)[torch.randperm(len(chosen))]
        batch = order[step % per_epoch * recipe.batch :][: recipe.batch]
        loss = _loss(network(augmented(crops, batch, recipe)), targets, batch, recipe)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        _update_ema(averaged, network, min(recipe.average_decay, (step + 1) / (step + 11)))
    return averaged.eval()


def _loss(answers: Tensor, targets: Targets, batch: Tensor, recipe: FitRecipe) -> Tensor:
    malignancy = functional.binary_cross_entropy_with_logits(answers[:, 0], targets.malignancy[batch])
    diameter = functional.smooth_l1_loss(answers[:, 1], targets.log_diameter[batch])
    vote = functional.mse_loss(answers[:, 2], targets.vote[batch])
    return malignancy + recipe.diameter_loss * diameter + recipe.vote_loss * vote


@torch.no_grad()
def _update_ema(averaged: LesionMember, network: LesionMember, decay: float) -> None:
    """Update the exponential moving average of weights and batch statistics from the network."""
    for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)


def augmented(crops: Tensor, batch: Tensor, recipe: FitRecipe) -> Tensor:
    """Return (n, Z, Y, X) in -1..1: a random variant of each nodule, rotated, shifted, mirrored, with noise.

    crops: (nodules, 1 + variants, Z, Y + 2 margin, X + 2 margin) in 0..1, voxels of the recipe's crop.
    batch: (n,) row numbers. Randomness is torch's own generator.
    """
    variant = torch.randint(crops.shape[1], (len(batch),))
    wide = crops[batch, variant].float()
    upside_down = torch.rand(len(batch)) < 0.5
    wide[upside_down] = wide[upside_down].flip(1)
    seen = _as_another_scanner(_turned(wide, recipe)).clamp(0, 1) * 2 - 1
    return seen.contiguous(memory_format=torch.channels_last)


def plain(crops: Tensor) -> Tensor:
    """Return (n, Z, Y, X) in -1..1: each nodule's crop as used in serving.

    crops: (n, 1 + variants, Z, Y + 2 margin, X + 2 margin) in 0..1; the first variant is used.
    """
    m = MARGIN_VOXELS
    return crops[:, 0, :, m:-m, m:-m].float() * 2 - 1


def _turned(wide: Tensor, recipe: FitRecipe) -> Tensor:
    """Return the middle of each crop after a random rotation about z, mirroring, scaling and shift."""
    n, slices, height, width = wide.shape
    height_out, width_out = height - 2 * MARGIN_VOXELS, width - 2 * MARGIN_VOXELS
    angle = torch.rand(n) * 2 * math.pi
    scale = torch.exp(torch.randn(n) * recipe.scale_jitter) * (width_out / width)
    mirror = (torch.rand(n) < 0.5).float() * 2 - 1
    shift = (torch.randn(n, 2) * recipe.shift_mm_share).clamp(-0.12, 0.12)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]], dim=1)
    grid = functional.affine_grid(rows.reshape(n, 2, 3), [n, slices, height_out, width_out], align_corners=False)
    return functional.grid_sample(wide, grid, padding_mode="border", align_corners=False)


def _as_another_scanner(crops: Tensor) -> Tensor:
    """Return the crops with a random offset, contrast, noise and sharpness."""
    n = len(crops)
    crops = crops + torch.randn(n, 1, 1, 1) * 0.02 + torch.randn_like(crops) * torch.rand(n, 1, 1, 1) * 0.04
    crops = (crops - 0.5) * (1 + torch.randn(n, 1, 1, 1) * 0.05) + 0.5
    soft = torch.rand(n) < 0.3
    blurred = functional.avg_pool2d(functional.pad(crops[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    crops[soft] = 0.6 * blurred + 0.4 * crops[soft]
    return crops
