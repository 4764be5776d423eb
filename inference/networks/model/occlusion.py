"""Occlusion map of a slice's answer: cover one patch after the other and measure the drop in confidence."""

import numpy as np
import torch
from numpy.typing import NDArray

from inference.networks.model.predictor import SlicePredictor

PATCHES = 8
BATCH = 16


def confidence_drops(model: SlicePredictor, grey: NDArray[np.uint8], class_index: int) -> NDArray[np.float64]:
    """Return (PATCHES, PATCHES): the drop in the class's probability when a patch is covered; 0 if it rises.

    grey: (height, width). Each patch is covered with the picture's mean and half overlaps its neighbours,
    so that no important detail falls between two patches.
    """
    picture = model.prepare(grey, model.side)
    covered = np.stack([_covered(picture, row, column) for row in range(PATCHES) for column in range(PATCHES)])
    batches = np.split(covered, range(BATCH, len(covered), BATCH))
    whole = model.forward(torch.from_numpy(picture)[None])[0, class_index]
    answers = torch.cat([model.forward(torch.from_numpy(batch))[:, class_index] for batch in batches])
    return (whole - answers).clamp(min=0).double().numpy().reshape(PATCHES, PATCHES)


def _covered(picture: NDArray[np.float32], row: int, column: int) -> NDArray[np.float32]:
    """Return a copy of (1, side, side) with one patch, and half a patch around it, set to the mean."""
    step = picture.shape[-1] / PATCHES
    copy = picture.copy()
    rows, columns = (
        slice(max(round((index - 0.25) * step), 0), round((index + 1.25) * step)) for index in (row, column)
    )
    copy[:, rows, columns] = picture.mean()
    return copy
