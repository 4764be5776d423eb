"""Windows of a stored picture: a range of its grey levels spread over all of them.

A feedback picture has 8 bits and no Hounsfield units, so the windows are of grey levels: what was sent in a wide window
has the lung in the dark levels, soft tissue in the middle and bone in the bright ones.
"""

from __future__ import annotations

import io
from typing import IO

from PIL import Image

AS_SENT = "as sent"
# The first and the last grey level that are told apart.
WINDOWS = {"lung": (0, 110), "mediastinum": (80, 190), "bone": (140, 255)}


def windowed(png: IO[bytes], window: str) -> bytes:
    """Return one of our stored PNGs with the grey levels of a window spread over 0 to 255, as PNG."""
    low, high = WINDOWS[window]
    levels = [min(max(round(255 * (level - low) / (high - low)), 0), 255) for level in range(256)]
    with Image.open(png) as image:
        shown = image.convert("L").point(levels)
    out = io.BytesIO()
    shown.save(out, "PNG")
    return out.getvalue()
