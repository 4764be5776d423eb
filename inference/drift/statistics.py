"""Data drift: population stability index and Kolmogorov-Smirnov test per column. Framework-free.

PSI compares the shares of bins cut at the reference's deciles: under 0.1 means no change, over 0.25 a large change
(Siddiqi, Credit Risk Scorecards, 2006). PSI is noisy on few rows, so a column counts as drifted only when the
Kolmogorov-Smirnov test (or, for classes, the chi-squared bound of PSI itself) also rules out chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Values = NDArray[np.float64]
Table = Mapping[str, Sequence[Any]]

NUMBER_COLUMNS = ("mean", "std", "min", "max", "p01", "p50", "p99", "height", "width", "pred_conf")
CLASS_COLUMN = "pred_class"
BINS = 10
PSI_MODERATE = 0.1
PSI_LARGE = 0.25
P_VALUE = 0.01
PSI_CHANCE = 0.001
LEAST_ROWS = 20
# An empty bin counts as half a row, so that the logarithm exists and the bin's weight falls with more rows.
HALF_A_ROW = 0.5


@dataclass(frozen=True)
class ColumnDrift:
    """The drift of one column.

    ks, p_value: None for classes, which have no order. reference_shares, current_shares: the share of each bin.
    """

    column: str
    psi: float
    ks: float | None
    p_value: float | None
    is_drifted: bool
    bins: tuple[str, ...]
    reference_shares: tuple[float, ...]
    current_shares: tuple[float, ...]


@dataclass(frozen=True)
class DriftReport:
    reference_rows: int
    current_rows: int
    columns: tuple[ColumnDrift, ...]

    @property
    def share_drifted(self) -> float:
        return sum(column.is_drifted for column in self.columns) / len(self.columns) if self.columns else 0.0

    @property
    def is_judged(self) -> bool:
        """Return whether there are enough rows for a verdict."""
        return min(self.reference_rows, self.current_rows) >= LEAST_ROWS


def compare(reference: Table, current: Table) -> DriftReport:
    """Compare the columns of two tables, each a mapping from name to values (n,) of equal length.

    Numbers are grey levels 0..255 (mean … p99), pixels (height, width) and a probability (pred_conf).
    Raises KeyError for a column that is missing.
    """
    rows = len(reference[CLASS_COLUMN]), len(current[CLASS_COLUMN])
    if min(rows) == 0:
        return DriftReport(*rows, ())
    numbers = [compare_numbers(name, *_numbers(reference, current, name)) for name in NUMBER_COLUMNS]
    classes = compare_classes(CLASS_COLUMN, reference[CLASS_COLUMN], current[CLASS_COLUMN])
    return DriftReport(*rows, (*numbers, classes))


def compare_numbers(name: str, reference: Values, current: Values) -> ColumnDrift:
    """Compare a column of numbers: PSI over the reference's deciles, and the Kolmogorov-Smirnov test.

    reference, current: (n,) and (m,), n and m at least 1, finite, in the column's own unit.
    Drifted when PSI ≥ 0.1 (Siddiqi, 2006) and the test's p < 0.01, both with at least 20 rows.
    """
    edges = bin_edges(reference)
    before, after = bin_counts(reference, edges), bin_counts(current, edges)
    index = psi(before, after)
    statistic, p_value = kolmogorov_smirnov(reference, current)
    drifted = _enough(reference, current) and index >= PSI_MODERATE and p_value < P_VALUE
    return ColumnDrift(name, index, statistic, p_value, drifted, bin_names(edges), *_shares(before, after))


def compare_classes(name: str, reference: Sequence[object], current: Sequence[object]) -> ColumnDrift:
    """Compare a column of class names: PSI over the classes of both.

    reference, current: (n,) and (m,) names, n and m at least 1.
    Drifted when PSI ≥ 0.1 and PSI exceeds the value that chance alone exceeds once in a thousand times, with at least
    20 rows on both sides. PSI / (1/n + 1/m) is about chi-squared, with one degree of freedom fewer than there are
    classes (Yurdakul & Naranjo, 2020).
    """
    names = tuple(sorted({str(value) for value in (*reference, *current)}))
    before, after = _class_counts(reference, names), _class_counts(current, names)
    index = psi(before, after)
    drifted = _enough(reference, current) and index >= max(PSI_MODERATE, _psi_by_chance(before, after))
    return ColumnDrift(name, index, None, None, drifted, names, *_shares(before, after))


def bin_edges(reference: Values) -> Values:
    """Return the inner edges of up to ten bins that share the reference (n,) evenly; equal values share a bin.

    A value that takes more than one share has a bin of its own: what is smaller falls into another one.
    """
    edges, shares = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]), return_counts=True)
    return np.unique(np.concatenate([edges, np.nextafter(edges[shares > 1], -np.inf)]))


def bin_counts(values: Values, edges: Values) -> Values:
    """Return how many values fall into each bin, upper edge included, and above the last: len(edges) + 1 counts."""
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1).astype(float)


def bin_names(edges: Values) -> tuple[str, ...]:
    """Return the names of the bins that `bin_counts` counts: len(edges) + 1 names."""
    pairs = pairwise([*edges, np.inf])
    # Where no number lies between two edges, the upper one has the bin above for itself.
    names = (f"< {upper:.4g}" if np.nextafter(edge, np.inf) == upper else f"≤ {edge:.4g}" for edge, upper in pairs)
    return (*names, f"> {edges[-1]:.4g}")


def psi(reference_counts: ArrayLike, current_counts: ArrayLike) -> float:
    """Return the population stability index of two sets of bins: Σ (a - e)·ln(a / e), 0 when equal.

    reference_counts, current_counts: (bins,) rows in each bin, whose shares are e and a; a bin that is empty on one
    side counts as half a row there, one that is empty on both is left out.
    Source: Siddiqi, Credit Risk Scorecards (2006); the symmetric divergence of Kullback & Leibler (1951).
    """
    counts = np.array([reference_counts, current_counts], float)
    expected, actual = map(_smoothed, counts[:, counts.any(axis=0)])
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """Return the largest distance D of the two distribution functions, and the asymptotic two-sided p-value.

    reference, current: (n,) and (m,) finite numbers, at least one each.
    p = P(K > D·√(nm / (n + m))) of Kolmogorov's distribution.
    Source: Smirnov, Table for estimating the goodness of fit of empirical distributions (1948).
    """
    first, second = np.asarray(reference, float), np.asarray(current, float)
    statistic = float(stats.ks_2samp(first, second, method="asymp").statistic)
    effective = first.size * second.size / (first.size + second.size)
    return statistic, float(special.kolmogorov(statistic * np.sqrt(effective)))


def _numbers(reference: Table, current: Table, name: str) -> tuple[Values, Values]:
    return np.asarray(reference[name], dtype=float), np.asarray(current[name], dtype=float)


def _class_counts(values: Sequence[object], names: tuple[str, ...]) -> Values:
    texts = [str(value) for value in values]
    return np.array([texts.count(name) for name in names], dtype=float)


def _smoothed(counts: Values) -> Values:
    counts = np.where(counts == 0, HALF_A_ROW, counts)
    return np.asarray(counts / counts.sum())


def _psi_by_chance(before: Values, after: Values) -> float:
    """Return the PSI that chance alone exceeds once in a thousand times: PSI / (1/n + 1/m) is about chi-squared."""
    freedom = max(1, before.size - 1)
    quantile = special.chdtri(freedom, PSI_CHANCE)
    return float(quantile * (1 / before.sum() + 1 / after.sum()))


def _enough(reference: Sequence[object] | Values, current: Sequence[object] | Values) -> bool:
    return min(len(reference), len(current)) >= LEAST_ROWS


def _shares(before: Values, after: Values) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple((before / before.sum()).tolist()), tuple((after / after.sum()).tolist())
