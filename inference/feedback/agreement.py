"""How far two readers agree: the share of equal decisions, and Cohen's kappa. Framework-free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.feedback.statistics import wilson


@dataclass(frozen=True)
class Agreement:
    """counts[first][second] in the order of `names`. low, high: Wilson's 95 % interval of the share of equal decisions.

    kappa: None where both readers always decided the same one thing, or nothing was read twice.
    """

    names: Sequence[str]
    counts: list[list[int]]
    low: float | None
    high: float | None
    kappa: float | None

    @property
    def n(self) -> int:
        return sum(map(sum, self.counts))

    @property
    def agreed(self) -> int:
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def disputed(self) -> int:
        return self.n - self.agreed

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        return list(zip(self.names, self.counts, strict=True))


def agreement(pairs: Iterable[tuple[str, str]], names: Sequence[str]) -> Agreement:
    """Return how two readers agree. pairs: (first, second) decision of each; a name not in `names` is left out."""
    place = {name: i for i, name in enumerate(names)}
    counts = [[0] * len(names) for _ in names]
    for first, second in pairs:
        if first in place and second in place:
            counts[place[first]][place[second]] += 1
    n = sum(map(sum, counts))
    equal = sum(row[i] for i, row in enumerate(counts))
    low, high = wilson(equal, n) if n else (None, None)
    return Agreement(names, counts, low, high, cohens_kappa(counts))


def cohens_kappa(counts: Sequence[Sequence[int]]) -> float | None:
    """Return (observed − expected) / (1 − expected) agreement (Cohen 1960); None where it is not defined."""
    n = sum(map(sum, counts))
    if not n:
        return None
    observed = sum(row[i] for i, row in enumerate(counts)) / n
    columns = [sum(column) for column in zip(*counts, strict=True)]
    expected = sum(sum(row) * column for row, column in zip(counts, columns, strict=True)) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)
