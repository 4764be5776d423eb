"""Many weighted copies of one sample, and the counts that the metrics derive from them.

A resample is a row of counts: how often each case was drawn. Everything is sorted once and then works on counts, so a
thousand resamples cost little more than a few plain evaluations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Found = TypeVar("Found")


class Memo:
    """A cache for intermediate results that several metrics share."""

    @cached_property
    def _found(self) -> dict[Callable[[Any], Any], Any]:
        return {}

    def once_of(self, function: Callable[[Any], Found]) -> Found:
        """Return `function(self)`, computed at the first call."""
        if function not in self._found:
            self._found[function] = function(self)
        found: Found = self._found[function]
        return found


class Sample(Memo):
    """The cases of a split, sorted once.

    truth: (n,) int class numbers; predictions: (n,) probability of class 1, or (n, classes). Or both are (n,) objects
    in the form that the kind defines, such as lists of findings and (k, 4) arrays of candidates.
    """

    def __init__(self, truth: NDArray[Any], predictions: NDArray[Any]) -> None:
        self.truth = _numbers_or_objects(truth, np.int64)
        self.predictions = _numbers_or_objects(predictions, np.float64)

    @property
    def has_classes(self) -> bool:
        return self.truth.dtype != object

    @property
    def is_finite(self) -> bool:
        """Whether all predictions are finite numbers."""
        if self.predictions.dtype != object:
            return bool(np.isfinite(self.predictions).all())
        return all(bool(np.isfinite(numbers).all()) for numbers in self.predictions)

    def usable(self, counts: Floats) -> Floats:
        """Return the resamples of `counts` (resamples, n) that can be scored: classification needs two classes."""
        if not self.has_classes:
            return counts
        others = np.unique(self.truth)[:-1]  # what is left of a resample is of the last class
        of_class = counts @ (self.truth[:, None] == others).astype(np.float64)
        is_single = (of_class == counts.sum(axis=1)[:, None]).any(axis=1) | (of_class.sum(axis=1) == 0)
        kept = ~is_single
        return counts if kept.all() else counts[kept]

    @property
    def n(self) -> int:
        return len(self.truth)

    @property
    def once(self) -> Resamples:
        """The sample itself: one copy, each case counted once."""
        return Resamples(self, np.ones((1, self.n)))

    @cached_property
    def predicted(self) -> Ints:
        """(n,) the class number that each case is called: p ≥ 0.5, or the most probable class."""
        if self.predictions.ndim == 1:
            return (self.predictions >= 0.5).astype(np.int64)
        return self.predictions.argmax(axis=1)

    @cached_property
    def ranking(self) -> Ranking:
        return Ranking(self.truth == 1, self.predictions)

    @cached_property
    def class_rankings(self) -> list[Ranking]:
        """One ranking per class against the rest, for predictions (n, classes)."""
        return [Ranking(self.truth == k, column) for k, column in enumerate(self.predictions.T)]


def _numbers_or_objects(values: NDArray[Any], number: Any) -> NDArray[Any]:
    array = np.asarray(values)
    return array if array.dtype == object else array.astype(number, copy=False)


class Ranking:
    """Positives and negatives sorted by score, ascending, and the position of each among the others."""

    def __init__(self, is_positive: NDArray[np.bool_], scores: Floats) -> None:
        order = np.argsort(scores, kind="stable")
        self.positive_at = order[is_positive[order]]
        self.negative_at = order[~is_positive[order]]
        self.positives = scores[self.positive_at]
        self.negatives = scores[self.negative_at]

    @cached_property
    def _around(self) -> tuple[Ints, Ints]:
        """The number of negatives that score less than, and no more than, each positive."""
        below = np.searchsorted(self.negatives, self.positives, side="left")
        return below, np.searchsorted(self.negatives, self.positives, side="right")

    @cached_property
    def edges(self) -> Ints:
        """(runs,) the start of each run of negatives; the negatives between two neighbouring positives form one run."""
        starts = np.unique(np.concatenate([[0], *self._around]))
        return starts[starts < len(self.negatives)]

    @cached_property
    def runs_below(self) -> Ints:
        """(positives,) the number of runs of negatives that score less than each positive."""
        return np.searchsorted(self.edges, self._around[0])

    @cached_property
    def runs_up_to(self) -> Ints:
        """(positives,) the number of runs of negatives that score no more than each positive."""
        return np.searchsorted(self.edges, self._around[1])

    @cached_property
    def positives_below(self) -> Ints:
        """(positives,) the number of positives that score less than each positive."""
        return np.searchsorted(self.positives, self.positives, side="left")

    @cached_property
    def positives_up_to_run(self) -> Ints:
        """(runs,) the number of positives that score no more than the negatives of each run."""
        return np.searchsorted(self.positives, self.negatives[self.edges], side="right")


@dataclass(eq=False)
class Resamples(Memo):
    """`counts` (resamples, n): how often each resample contains each case of `sample`."""

    sample: Sample
    counts: Floats

    @cached_property
    def totals(self) -> Floats:
        return self.counts.sum(axis=1)

    @cached_property
    def ranked(self) -> RankedCounts:
        return RankedCounts(self.sample.ranking, self.counts)

    @cached_property
    def class_ranked(self) -> list[RankedCounts]:
        return [RankedCounts(ranking, self.counts) for ranking in self.sample.class_rankings]

    def sums(self, per_case: Floats) -> Floats:
        """Return (resamples,) the weighted sum of one value per case."""
        return self.counts @ per_case

    @cached_property
    def _confusions(self) -> dict[int, tuple[Floats, Floats, Floats, Floats]]:
        return {}

    def confusion(self, k: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the true positives, false positives, false negatives, true negatives of class `k`."""
        if k not in self._confusions:
            self._confusions[k] = self._confusion(k)
        return self._confusions[k]

    def _confusion(self, k: int) -> tuple[Floats, Floats, Floats, Floats]:
        is_k, called_k = self.sample.truth == k, self.sample.predicted == k
        table = np.stack([is_k & called_k, ~is_k & called_k, is_k & ~called_k, ~is_k & ~called_k], axis=1)
        both, false_alarm, missed, neither = (self.counts @ table.astype(np.float64)).T
        return both, false_alarm, missed, neither


@dataclass(eq=False)
class RankedCounts:
    """A ranking's counts for each resample.

    Cumulative arrays have a leading 0: entry i sums the i lowest positives, or runs of negatives. The shape of the
    curve
    within a run affects no metric.
    """

    ranking: Ranking
    counts: Floats

    @cached_property
    def positive(self) -> Floats:
        return np.take(self.counts, self.ranking.positive_at, axis=1)

    @cached_property
    def cumulative_positive(self) -> Floats:
        return _cumulative(self.positive)

    @cached_property
    def cumulative_negative(self) -> Floats:
        counts = np.take(self.counts, self.ranking.negative_at, axis=1)
        runs = np.add.reduceat(counts, self.ranking.edges, axis=1) if len(self.ranking.edges) else counts
        return _cumulative(runs)

    @property
    def n_positive(self) -> Floats:
        return self.cumulative_positive[:, -1]

    @property
    def n_negative(self) -> Floats:
        return self.cumulative_negative[:, -1]


def _cumulative(counts: Floats) -> Floats:
    cumulative = np.zeros((counts.shape[0], counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=cumulative[:, 1:])
    return cumulative
