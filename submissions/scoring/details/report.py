"""All details of one split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from submissions.kinds import KINDS
from submissions.scoring.resamples import Sample
from submissions.scoring.roc_band import roc_band
from submissions.scoring.uncertainty import patient_groups

from .bands import precision_band
from .counts import confusion_counts, reliability_rows, threshold_rows
from .subgroups import subgroup_rows

# Rises with every change of what `details` returns: reports computed before are not shown again.
DETAILS_VERSION = 1


def details(
    kind: str,
    truth: ArrayLike,
    predictions: ArrayLike,
    patients: Sequence[str] | None,
    groups: Sequence[Mapping[str, str]],
    seed: int,
    *,
    truth_is_public: bool = False,
) -> dict[str, Any]:
    """Return what a report tells of one split, as JSON values: `n` and, of classes, `confusion` and `subgroups`.

    One probability per case also has `thresholds`, `reliability`, `roc_band` and `pr_band`. kind, truth, predictions,
    patients, seed: as for `score`. groups: of each case, the groups it belongs to by what groups it. truth_is_public:
    then few cases have as many thresholds and points as many.
    """
    sample = Sample(np.asarray(truth), np.asarray(predictions))
    by_patient = patient_groups(patients) if patients is not None and any(patients) else np.arange(sample.n)
    found: dict[str, Any] = {"n": sample.n}
    if patients is not None and any(patients):
        found["n_patients"] = int(by_patient.max()) + 1
    if not sample.has_classes:
        return found
    found["confusion"] = {"classes": list(KINDS[kind].class_names), "counts": confusion_counts(sample)}
    if sample.predictions.ndim == 1:
        found |= {
            "thresholds": threshold_rows(sample, by_patient, truth_is_public=truth_is_public),
            "reliability": reliability_rows(sample, by_patient),
            "roc_band": roc_band(sample, by_patient, seed, truth_is_public=truth_is_public),
            "pr_band": precision_band(sample, by_patient, seed, truth_is_public=truth_is_public),
        }
    return found | {"subgroups": subgroup_rows(kind, sample, patients, groups, seed)}
