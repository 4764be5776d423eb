"""What a participant may know of a submission, and when. Framework-free: values in, values out.

`policy` is the one table; `view` applies it to scores, `ladder` decides which public scores are shown at all, and
`side_channels` coarsens what a container that has seen hidden images could speak through.
"""

from __future__ import annotations

from .ladder import Entry, climb
from .policy import ITEMS, STAFF, STATES, Item, Show, shows
from .view import PRIVATE, PUBLIC, SAMPLE, View

__all__ = ["ITEMS", "PRIVATE", "PUBLIC", "SAMPLE", "STAFF", "STATES", "Entry", "Item", "Show", "View", "climb", "shows"]
