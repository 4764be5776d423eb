"""Decide which warnings the answer for a picture carries, and which pictures get none. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answer_warnings import REFUSALS, TRANSPARENT
from inference.networks.answers import SliceWarning
from inference.networks.model.slice_input import without_frame

# A picture whose 1st and 99th percentile are closer than this, of 255, is blank: no slice shows this little.
LEAST_CONTRAST = 4.0
# Air beside the body fills the corners of a slice. Of 1,178 published slices 2 have three that are brighter, and 1,170
# once inverted. A picture of CORNER_SIDE pixels tells.
BRIGHT_CORNER, CORNER_PART, CORNER_SIDE = 150, 16, 64


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


def refuse_blank(grey: NDArray[np.uint8], *, is_unseen: bool = False) -> None:
    """Raise InvalidImageFile NO_CONTRAST for a picture (height, width) without contrast.

    is_unseen: whether it has none because all of it was transparent.
    """
    low, high = np.percentile(grey, (1, 99))
    if high - low < LEAST_CONTRAST:
        raise InvalidImageFile("NO_CONTRAST", TRANSPARENT if is_unseen else REFUSALS["NO_CONTRAST"])


def looks_inverted(grey: NDArray[np.uint8]) -> bool:
    """Return whether at least three corners of a picture (height, width) are bright, frames aside: air is white."""
    step = max(1, min(grey.shape) // CORNER_SIDE)
    small = grey[::step, ::step]
    picture = small[without_frame(small)]
    high, wide = (max(2, side // CORNER_PART) for side in picture.shape)
    corners = (picture[y, x] for y in (slice(high), slice(-high, None)) for x in (slice(wide), slice(-wide, None)))
    return sorted(float(np.median(corner)) for corner in corners)[1] > BRIGHT_CORNER
