"""The predictions of an attempt before they are scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """predictions: one per case, aligned with the dataset's counted cases, in the form of the kind's `gather`.

    samples: the answers to sample cases, by id.
    """

    predictions: Any
    timings: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
