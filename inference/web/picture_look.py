"""How a picture is looked at: a window of its grey levels, and how far it is zoomed in, as the address says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.feedback.windows import AS_SENT, WINDOWS

ZOOMS = ("1", "2", "4")
ALL_LEVELS = (0, 255)


def look_context(query: Mapping[str, str]) -> dict[str, Any]:
    """Return what templates/inference/_picture.html needs; what makes no sense in the query is the picture as sent.

    windows: (name, first and last grey level that are told apart).
    """
    window, zoom = query.get("window", ""), query.get("zoom", "")
    return {
        "window": window if window in WINDOWS else AS_SENT,
        "zoom": zoom if zoom in ZOOMS else ZOOMS[0],
        "windows": [(name, *levels) for name, levels in {AS_SENT: ALL_LEVELS, **WINDOWS}.items()],
        "zooms": ZOOMS,
    }
