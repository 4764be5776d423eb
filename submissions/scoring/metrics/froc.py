"""Free-response ROC of detected nodules, as LUNA16's evaluation defines it (Setio et al. 2017).

A candidate hits a nodule when its distance to the nodule's centre is less than the radius. Of several candidates on one
nodule the most probable counts; the others are ignored, and so is a candidate on an irrelevant finding. A candidate
that hits nothing is a false positive; a nodule without a hit is missed. At a threshold, sensitivity is the share of
nodules hit, and the false positive rate is the number of false positives per scan. Between thresholds the curve is
linear; beyond its last point it stays level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from submissions.kinds.candidates import is_inside, most_probable
from submissions.scoring import ranks
from submissions.scoring.curves import DECIMALS, CurveAxes, Points, curve
from submissions.scoring.metrics import support
from submissions.scoring.metrics.registry import resample_metric
from submissions.scoring.resamples import Floats, Ints, Resamples, Sample

# The false positives per scan at which the competition performance metric reads the sensitivity.
RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Steps:
    """The steps of the curve: how much of each scan is found at each threshold, from the highest down.

    Thresholds that only add false positives are merged with the next: the curve is level there.
    hits, false: (thresholds, n) sparse. nodules: (n,) the number of nodules in each scan.
    """

    hits: csr_array
    false: csr_array
    nodules: Floats


def steps_of(sample: Sample) -> Steps:
    """Return the steps of a sample of the kind nodule detection."""
    found = [_marks_of_scan(truth, each) for truth, each in zip(sample.truth, sample.predictions, strict=True)]
    scans = np.repeat(np.arange(sample.n), [len(hits) + len(false) for hits, false in found])
    probabilities = np.concatenate([np.zeros(0), *(part for pair in found for part in pair)])
    is_hit = np.concatenate([np.zeros(0, bool), *(np.repeat([True, False], [len(a), len(b)]) for a, b in found)])
    _, thresholds = np.unique(-probabilities, return_inverse=True)
    step = _merged(thresholds, is_hit)
    shape = (int(step.max(initial=-1)) + 1, sample.n)
    hits, false = (csr_array((np.ones(of.sum()), (step[of], scans[of])), shape) for of in (is_hit, ~is_hit))
    nodules = np.array([len(truth["nodules"]) for truth in sample.truth], dtype=np.float64)
    return Steps(hits, false, nodules)


def _merged(thresholds: Ints, is_hit: NDArray[np.bool_]) -> Ints:
    """Return the step of each mark. thresholds: (m,) indices of the distinct probabilities, highest first."""
    n_thresholds = int(thresholds.max(initial=-1)) + 1
    with_hit = np.bincount(thresholds[is_hit], minlength=n_thresholds) > 0
    ends = with_hit | np.append(with_hit[1:], True)[:n_thresholds]
    return np.searchsorted(np.flatnonzero(ends), thresholds)


def _marks_of_scan(truth: dict[str, Any], candidates: Floats) -> tuple[Floats, Floats]:
    """Return the probabilities (of hit nodules, of false positives). candidates: (k, 4)."""
    kept = most_probable(candidates)
    on_nodule = is_inside(kept, truth["nodules"])
    on_irrelevant = is_inside(kept, truth["irrelevant"])
    hits = [kept[inside, 3].max() for inside in on_nodule if inside.any()]
    is_false = ~on_nodule.any(axis=0) & ~on_irrelevant.any(axis=0)
    return np.array(hits, dtype=np.float64), kept[is_false, 3]


def sensitivities(resamples: Resamples, rates: Sequence[float] = RATES) -> Floats:
    """Return (resamples, rates) the sensitivity at each false positive rate, NaN on a resample without nodules."""
    steps, counts = resamples.sample.once_of(steps_of), resamples.counts
    shares = ranks.divide(_cumulative(steps.hits, counts), (counts @ steps.nodules)[:, None])
    per_scan = ranks.divide(_cumulative(steps.false, counts), resamples.totals[:, None])
    return np.array([np.interp(rates, x, y) for x, y in zip(per_scan, shares, strict=True)]).reshape(-1, len(rates))


def _cumulative(steps: csr_array, counts: Floats) -> Floats:
    """Return (resamples, thresholds + 1) the cumulative count down to each threshold, starting with 0."""
    of_step = (steps @ counts.T).T
    return np.concatenate([np.zeros((len(counts), 1)), np.cumsum(of_step, axis=1)], axis=1)


@resample_metric("cpm", "Competition performance metric", support=support.nodules)
def cpm(resamples: Resamples) -> Floats:
    """Return (resamples,) the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per scan."""
    return resamples.once_of(sensitivities).mean(axis=1)


def _register_sensitivity(column: int, name: str) -> None:
    resample_metric(
        f"sensitivity_at_{name.replace('/', '_')}_fp",
        f"Sensitivity at {name} false positives a scan",
        support=support.nodules,
    )(lambda resamples: resamples.once_of(sensitivities)[:, column])


for _column, _name in enumerate(("1/8", "1/4", "1/2", "1", "2", "4", "8")):
    _register_sensitivity(_column, _name)


@curve(
    "froc",
    CurveAxes("FROC", "false positives a scan", "sensitivity", "The further up and to the left, the better.",
          x_ticks=RATES, is_log=True),
)  # fmt: skip
def froc(truth: NDArray[Any], predictions: NDArray[Any], class_names: Sequence[str], most: int) -> Points:
    """Return (false positives per scan, sensitivity) points, evenly spaced on a logarithmic axis from 1/8 to 8."""
    sample = Sample(truth, predictions)
    rates = np.geomspace(RATES[0], RATES[-1], most)
    shares = sensitivities(sample.once, rates.tolist())[0]
    points: Points = np.round(np.stack([rates, shares], axis=1), DECIMALS).tolist()
    return points
