"""What an attempt found, before it is scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """predictions: one a case, aligned with the dataset's scored cases, in the form the kind gathers them in."""

    predictions: Any
    timings: dict[str, Any] = field(default_factory=dict)
