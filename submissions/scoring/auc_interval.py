"""Confidence intervals of the AUC that cover: on the logit scale, or Newcombe's method 5 where cases are few.

Everything here takes arrays of any shape, so that `make bench-coverage` measures these very functions on thousands of
samples at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from .resamples import Floats
from .uncertainty import LEVEL

Z = float(norm.ppf((1 + LEVEL) / 2))
# The logit interval needs this many patients of each class, and this many of them lost to the other class: below, the
# estimated variance is too uncertain, or zero. Found by `make bench-coverage`; docs/metrics.md shows the table.
LOGIT_PATIENTS = 20
LOGIT_LOST = 1.0
BISECTIONS = 60


@dataclass(frozen=True)
class AreaFacts:
    """What an interval is computed from, each an array of the same shape.

    variance: clustered by patient, NaN where it cannot be estimated. positive_patients: patients with a positive case.
    """

    area: Floats
    variance: Floats
    n_positive: Floats
    n_negative: Floats
    positive_patients: Floats
    negative_patients: Floats

    @property
    def fewest_patients(self) -> Floats:
        return np.minimum(self.positive_patients, self.negative_patients)


def auc_intervals(facts: AreaFacts) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return (low, high, whether it is the logit interval). The width is never zero."""
    lost = facts.fewest_patients * np.minimum(facts.area, 1 - facts.area)
    is_logit = (facts.fewest_patients >= LOGIT_PATIENTS) & (lost >= LOGIT_LOST) & (facts.variance > 0)
    inflation = _inflation(facts)
    few = newcombe_interval(
        facts.area, np.maximum(facts.n_positive / inflation, 1), np.maximum(facts.n_negative / inflation, 1)
    )
    many = logit_interval(facts.area, facts.variance)
    low, high = (np.where(is_logit, ours, theirs) for ours, theirs in zip(many, few, strict=True))
    return low, high, is_logit


def _inflation(facts: AreaFacts) -> Floats:
    """Return by how much the sizes of the sample are divided: the variance by patient over that of independent cases.

    Where no variance can be estimated, all cases of a patient count as one.
    """
    cases_a_patient = np.maximum(facts.n_positive / facts.positive_patients, facts.n_negative / facts.negative_patients)
    independent = hanley_mcneil_variance(facts.area, facts.n_positive, facts.n_negative)
    is_known = (facts.variance > 0) & (independent > 0)
    ratio = np.divide(facts.variance, independent, out=np.array(cases_a_patient, dtype=float), where=is_known)
    return np.maximum(ratio, 1)


def logit_interval(area: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return area ± 1.96 standard errors on the logit scale (Pepe 2003, section 5.2). NaN where the area is 0 or 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.log(area / (1 - area))
        reach = Z * np.sqrt(variance) / (area * (1 - area))
        return 1 / (1 + np.exp(reach - middle)), 1 / (1 + np.exp(-reach - middle))


def newcombe_interval(area: Floats, n_positive: Floats, n_negative: Floats) -> tuple[Floats, Floats]:
    """Return Newcombe's interval by method 5: the areas θ with |area − θ| ≤ 1.96 √V(θ) (Newcombe 2006, part 2).

    V is Hanley and McNeil's variance at θ, not at the estimate; so it is a score interval, as Wilson's is for a share,
    and has a width where the area is 0 or 1. The sizes may be effective ones.
    """
    area = np.asarray(area, dtype=np.float64)
    ends = []
    for end in (np.zeros_like(area), np.ones_like(area)):
        inside, outside = area.copy(), end
        for _ in range(BISECTIONS):
            middle = (inside + outside) / 2
            is_in = np.abs(area - middle) <= Z * np.sqrt(hanley_mcneil_variance(middle, n_positive, n_negative))
            inside, outside = np.where(is_in, middle, inside), np.where(is_in, outside, middle)
        ends.append((inside + outside) / 2)
    return ends[0], ends[1]


def hanley_mcneil_variance(area: Floats, n_positive: Floats, n_negative: Floats) -> Floats:
    """Return the variance of an AUC under exponential scores (Hanley and McNeil 1982), as Newcombe's method 5 has it.

    Both sizes but those of the denominator are the mean of the two, which makes it symmetric in the classes.
    """
    others = (n_positive + n_negative) / 2 - 1
    spread = 1 + others * (1 - area) / (2 - area) + others * area / (1 + area)
    return area * (1 - area) * spread / (n_positive * n_negative)
