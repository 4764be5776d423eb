"""Statistics of accepted feedback: the model's accuracy by class and its confusion matrix. Framework-free."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Z_95 = 1.959964


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy of one class. low, high: Wilson's 95 % interval; None for a class without feedback."""

    name: str
    right: int
    total: int
    low: float | None
    high: float | None

    @property
    def accuracy(self) -> float | None:
        return self.right / self.total if self.total else None


@dataclass(frozen=True)
class Confusion:
    """counts[true][predicted], in the order of `names`."""

    names: Sequence[str]
    counts: list[list[int]]

    @property
    def classes(self) -> list[ClassAccuracy]:
        return [
            _accuracy(name, row[i], sum(row)) for i, (name, row) in enumerate(zip(self.names, self.counts, strict=True))
        ]

    @property
    def overall(self) -> ClassAccuracy:
        right = sum(row[i] for i, row in enumerate(self.counts))
        return _accuracy("all", right, sum(map(sum, self.counts)))


def confusion(pairs: Iterable[tuple[str, str]], names: Sequence[str]) -> Confusion:
    """Count (true, predicted) pairs; a name not in `names` is left out."""
    place = {name: i for i, name in enumerate(names)}
    counts = [[0] * len(names) for _ in names]
    for true, predicted in pairs:
        if true in place and predicted in place:
            counts[place[true]][place[predicted]] += 1
    return Confusion(names, counts)


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927)."""
    share, square = right / total, Z_95**2 / total
    middle = (share + square / 2) / (1 + square)
    half = Z_95 / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def _accuracy(name: str, right: int, total: int) -> ClassAccuracy:
    low, high = wilson(right, total) if total else (None, None)
    return ClassAccuracy(name, right, total, low, high)
