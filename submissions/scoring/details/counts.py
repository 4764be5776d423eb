"""Counts of one probability per case: at thresholds, in bins of the reliability diagram, in the confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from submissions.scoring.calibration import quantile_bins
from submissions.scoring.curves import CASES_A_POINT, RELIABILITY_BINS
from submissions.scoring.resamples import Floats, Ints, Sample
from submissions.scoring.share_interval import wilson_interval

TENTHS = tuple(number / 10 for number in range(1, 10))
QUARTERS = (0.25, 0.5, 0.75)


def thresholds_of(n: int, *, truth_is_public: bool = False) -> tuple[float, ...]:
    """Return the thresholds to count at: never more than one for five hidden cases, so that a table tells no labels."""
    if truth_is_public:
        return TENTHS
    return next(
        (each for each in (TENTHS, QUARTERS) if n >= CASES_A_POINT * len(each)),
        (0.5,),
    )


def threshold_rows(sample: Sample, groups: Ints, *, truth_is_public: bool) -> list[dict[str, Any]]:
    """Return one row per threshold: the four counts, sensitivity and specificity with intervals, PPV and NPV.

    A case is called where p ≥ threshold. Shares without cases are None.
    """
    thresholds = thresholds_of(sample.n, truth_is_public=truth_is_public)
    return [_threshold_row(sample, groups, threshold) for threshold in thresholds]


def _threshold_row(sample: Sample, groups: Ints, threshold: float) -> dict[str, Any]:
    is_positive, is_called = sample.truth == 1, sample.predictions >= threshold
    row: dict[str, Any] = {
        "threshold": threshold,
        "tp": int((is_positive & is_called).sum()),
        "fp": int((~is_positive & is_called).sum()),
        "fn": int((is_positive & ~is_called).sum()),
        "tn": int((~is_positive & ~is_called).sum()),
    }
    row |= _share("sensitivity", row["tp"], row["fn"], groups[is_positive])
    row |= _share("specificity", row["tn"], row["fp"], groups[~is_positive])
    return row | {"ppv": _ratio(row["tp"], row["fp"]), "npv": _ratio(row["tn"], row["fn"])}


def _share(name: str, hits: int, others: int, groups: Ints) -> dict[str, Any]:
    share = _ratio(hits, others)
    return {name: share, f"{name}_ci": patient_interval(share, groups)}


def _ratio(hits: int, others: int) -> float | None:
    return hits / (hits + others) if hits + others else None


def patient_interval(share: float | None, groups: Ints) -> list[float] | None:
    """Return Wilson's interval of a share that is worth as many cases as it has patients; None without cases."""
    return None if share is None else wilson_interval(share, len(np.unique(groups)))


def reliability_rows(sample: Sample, groups: Ints) -> list[dict[str, Any]]:
    """Return the bins of the reliability diagram: n, mean p, observed share and its interval."""
    n_bins = max(1, min(RELIABILITY_BINS, sample.n // CASES_A_POINT))
    bins = quantile_bins(sample.predictions, n_bins)
    return [_bin_row(sample, groups, bins == number) for number in np.unique(bins)]


def _bin_row(sample: Sample, groups: Ints, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    p: Floats = sample.predictions[chosen]
    observed = float((sample.truth[chosen] == 1).mean())
    interval = patient_interval(observed, groups[chosen])
    return {"n": int(chosen.sum()), "mean": float(p.mean()), "observed": observed, "observed_ci": interval}


def confusion_counts(sample: Sample) -> list[list[int]]:
    """Return (classes, classes) the number of cases of each true class (row) that are called each class (column)."""
    n_classes = 2 if sample.predictions.ndim == 1 else sample.predictions.shape[1]
    table = np.bincount(sample.truth * n_classes + sample.predicted, minlength=n_classes**2)
    counts: list[list[int]] = table.reshape(n_classes, n_classes).tolist()
    return counts
