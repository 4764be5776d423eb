"""What of a case is being looked at: the plane, the slice and the window, as the address says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from inference.ct.planes import ACROSS, WINDOWS, Planes

WIDEST_HU = 20_000.0
OWN = "own"


@dataclass(frozen=True)
class Look:
    """index: the slice, None for the one through the point. level, width: of the window, in HU."""

    plane: str
    index: int | None
    window: str
    level: float
    width: float

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Look:
        """Return what an address asks for; what makes no sense in it is replaced by what is usual."""
        plane, window = query.get("plane", ""), query.get("window", "")
        level, width = _number(query.get("level", "")), _number(query.get("width", ""))
        if window == OWN and level is not None and width is not None:
            level, width = min(max(level, -WIDEST_HU), WIDEST_HU), min(max(width, 1.0), WIDEST_HU)
            window = next((name for name, usual in WINDOWS.items() if usual == (level, width)), OWN)
        else:
            window = window if window in WINDOWS else "lung"
            level, width = WINDOWS[window]
        index = query.get("index", "")
        return cls(
            plane if plane in ACROSS else "axial",
            int(index) if index.isascii() and index.isdigit() and len(index) < 10 else None,
            window,
            level,
            width,
        )

    @property
    def query(self) -> str:
        """The address's query that asks for this."""
        query = {"plane": self.plane, "window": self.window}
        if self.index is not None:
            query["index"] = str(self.index)
        if self.window == OWN:
            query |= {"level": f"{self.level:g}", "width": f"{self.width:g}"}
        return urlencode(query)

    def at(self, index: int) -> Look:
        return replace(self, index=index)

    def through(self, window: str) -> Look:
        """Return the same through one of the named windows."""
        level, width = WINDOWS[window]
        return replace(self, window=window, level=level, width=width)

    def within(self, planes: Planes, points: list[list[float]]) -> Look:
        """Return the same with a slice that is there: as asked for, else through the first point, else the middle."""
        count = planes.count(self.plane)
        if self.index is not None:
            return self.at(min(self.index, count - 1))
        return self.at(planes.index_at(self.plane, points[0]) if points else count // 2)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
