"""Decide which warnings the answer for a picture carries, and which pictures get none. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answer_warnings import REFUSALS
from inference.networks.answers import SliceWarning

# A picture whose 1st and 99th percentile are closer than this, of 255, is blank: no slice shows this little.
LEAST_CONTRAST = 4.0


@dataclass(frozen=True)
class SliceLimits:
    """The doubts from which warnings are given. foreign: no chest CT. unfamiliar: d / (d + 1) of the distance d."""

    foreign: float
    unfamiliar: float


def slice_warnings(foreign: float, unfamiliar: float, limits: SliceLimits) -> list[SliceWarning]:
    """Return the codes that apply: what is no chest CT is not also called unfamiliar."""
    if foreign > limits.foreign:
        return ["NOT_A_CHEST_CT"]
    return ["UNFAMILIAR_SOURCE"] if unfamiliar > limits.unfamiliar else []


def refuse_blank(grey: NDArray[np.uint8]) -> None:
    """Raise InvalidImageFile NO_CONTRAST for a picture (height, width) without contrast."""
    low, high = np.percentile(grey, (1, 99))
    if high - low < LEAST_CONTRAST:
        raise InvalidImageFile("NO_CONTRAST", REFUSALS["NO_CONTRAST"])
