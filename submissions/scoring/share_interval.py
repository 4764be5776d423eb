"""Intervals of shares, of metrics that behave like one, and of mean losses.

Of shares: Wilson's, with the effective number of cases.

A percentile bootstrap has no width where every case is right, and too little where nearly every one is. Wilson's score
interval (1927) has; the variance over resamples of patients says how many independent cases the share is worth, as in
Korn and Graubard's intervals for surveys (1998).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from .auc_interval import Z
from .metrics import Metric
from .resamples import Floats, Ints, Sample
from .uncertainty import LEVEL, Interval

# Below this a variance or a loss is zero but for rounding.
NOTHING = 1e-12
# Beyond this the exponential is too large for a float.
MAX_REACH = 700.0


def share_interval(metric: Metric, value: float, sample: Sample, drawn: Floats, groups: Ints) -> Interval | None:
    """Return Wilson's interval of a metric that rests on a known number of cases; None for any other metric.

    drawn: (resamples,) the metric on resamples of the groups. groups: (n,) the patient number of each case.
    """
    if metric.support is None:
        return None
    return interval_of_share(value, metric.support(sample), drawn, groups)


def interval_of_share(value: float, weights: list[Floats], drawn: Floats, groups: Ints) -> Interval:
    """Return Wilson's interval with the effective number of cases, at most as many as there are.

    weights: as a metric's `support` returns them. drawn: (resamples,) the value on resamples of the groups.
    """
    most = len(weights) * min(float(each.sum()) for each in weights)
    patients = len(weights) * min(len(np.unique(groups[each > 0])) for each in weights)
    n_groups = int(groups.max()) + 1
    variance = _variance(drawn) * n_groups / max(n_groups - 1, 1)
    is_at_border = min(value, 1 - value) < NOTHING or variance < NOTHING
    size = patients if is_at_border else min(value * (1 - value) / variance, most)
    return wilson_interval(value, max(size, 1.0))


def wilson_interval(share: float, n: float) -> Interval:
    """Return Wilson's 95 % score interval of a share of `n` independent cases; n may be a fraction.

    Its width is never zero.
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    # At 0 and 1 rounding must not leave the share itself outside.
    return [max(0.0, min(share, float(middle - reach))), min(1.0, max(share, float(middle + reach)))]


def loss_interval(metric: Metric, value: float, drawn: Floats, groups: Ints) -> Interval | None:
    """Return the interval of a mean loss on the log scale, by Student's t of the patients; None at its ends.

    drawn: (resamples,) the metric on resamples of the groups. A mean loss is skewed: a few cases hold most of it, so
    that percentiles of resamples end too low.
    """
    n_groups = int(groups.max()) + 1
    if metric.worst is None or metric.from_resamples is None or n_groups < 2:
        return None
    variance = _variance(drawn) * n_groups / (n_groups - 1)
    if not NOTHING < value < metric.worst - NOTHING or variance < NOTHING**2:
        return None
    reach = float(student.ppf((1 + LEVEL) / 2, n_groups - 1)) * np.sqrt(variance) / value
    factor = float(np.exp(min(reach, MAX_REACH)))
    return [value / factor, min(value * factor, metric.worst)]


def border_interval(metric: Metric, value: float, groups: Ints) -> Interval | None:
    """Return the interval of a mean loss that is zero, or the worst there is; None between, or where there is no worst.

    If no patient of n had a loss, patients with any are as rare as Clopper and Pearson's upper end for none of n says
    (1934; 3.7 / n, where the one-sided "rule of three" says 3 / n), and none of their cases loses more than the worst.
    """
    if metric.worst is None or NOTHING < value < metric.worst - NOTHING:
        return None
    least_share = ((1 - LEVEL) / 2) ** (1 / (int(groups.max()) + 1))
    return [0.0, metric.worst * (1 - least_share)] if value <= NOTHING else [metric.worst * least_share, metric.worst]


def _variance(drawn: Floats) -> float:
    finite = drawn[np.isfinite(drawn)]
    return float(finite.var(ddof=1)) if len(finite) > 1 else 0.0
