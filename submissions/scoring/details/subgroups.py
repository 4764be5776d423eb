"""Scores of subgroups of the cases, each with the intervals that the whole has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from submissions.scoring.curves import CASES_A_POINT
from submissions.scoring.report import preferred_interval, score
from submissions.scoring.resamples import Sample

# Of one probability per case, and of one per class.
BINARY = ("auc", "recall", "specificity")
OF_CLASSES = ("accuracy", "macro_f1")
NOT_GIVEN = "not given"


def subgroup_metrics(sample: Sample) -> tuple[str, ...]:
    return BINARY if sample.predictions.ndim == 1 else OF_CLASSES


def subgroup_rows(
    kind: str, sample: Sample, patients: Sequence[str] | None, groups: Sequence[Mapping[str, str]], seed: int
) -> list[dict[str, Any]]:
    """Return one row per subgroup of at least two that a property parts: n, positives, metrics and their intervals.

    groups: of each case, property (`sex`) → group (`Female`). A group of under five cases has only its n.
    """
    rows = []
    for by in dict.fromkeys(name for of_case in groups for name in of_case):
        names = np.array([of_case.get(by, NOT_GIVEN) for of_case in groups])
        found = sorted(set(names), key=_order(by))
        if len(found) > 1:
            rows += [_row(kind, sample, patients, by, str(name), names == name, seed) for name in found]
    return rows


def _order(by: str) -> Any:
    """Return the sort key of a property's groups: bands by their first number, `under` first, `not given` last."""

    def key(name: str) -> tuple[bool, int, str]:
        digits = "".join(sign if sign.isdigit() else " " for sign in name).split()
        first = int(digits[0]) if digits and by in ("age", "size") else 0
        return name == NOT_GIVEN, first - name.startswith("under"), name

    return key


def _row(
    kind: str,
    sample: Sample,
    patients: Sequence[str] | None,
    by: str,
    name: str,
    chosen: np.ndarray[Any, np.dtype[np.bool_]],
    seed: int,
) -> dict[str, Any]:
    n = int(chosen.sum())
    row: dict[str, Any] = {"by": by, "group": name, "n": n}
    if n < CASES_A_POINT:
        return row
    if sample.predictions.ndim == 1:
        row["n_positive"] = int((sample.truth[chosen] == 1).sum())
    metrics = [name for name in subgroup_metrics(sample) if _is_defined(name, sample.truth[chosen])]
    known = None if patients is None else [name for name, is_in in zip(patients, chosen, strict=True) if is_in]
    found = score(kind, sample.truth[chosen], sample.predictions[chosen], known, metrics, seed)
    for metric in metrics:
        ends = preferred_interval(found, metric)
        row |= {metric: found[metric], f"{metric}_ci": list(ends) if ends else None}
    return row | ({"is_small": True} if found.get("is_small") else {})


def _is_defined(metric: str, truth: np.ndarray[Any, Any]) -> bool:
    """Return whether the group has the cases that the metric is a share of."""
    has_positive, has_negative = bool((truth == 1).any()), bool((truth == 0).any())
    needs = {"auc": has_positive and has_negative, "recall": has_positive, "specificity": has_negative}
    return needs.get(metric, True)
