"""The kinds of task. A new one is a file here and its line below; nothing else branches on a kind.

PURE: no Django, no settings, no clock. What a kind decides: CSV columns, the request to a container,
how its answer is read, the shape of the predictions, the metric that ranks unless a phase says otherwise.
"""

from __future__ import annotations

from .base import BadAnswer, CaseFacts, Kind
from .lesion import LesionKind
from .packing import pack, unpack
from .slice import SliceKind

LESION = LesionKind()
SLICE = SliceKind()

KINDS: dict[str, Kind] = {kind.name: kind for kind in (LESION, SLICE)}

__all__ = ["KINDS", "LESION", "SLICE", "BadAnswer", "CaseFacts", "Kind", "pack", "unpack"]
