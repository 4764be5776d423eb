"""Compare two entries on the same cases (paired comparison)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from leaderboard.boards import Board
from leaderboard.models import Standing
from submissions.kinds import Kind
from submissions.models import Evaluation, Submission
from submissions.scoring import METRICS, Metric
from submissions.scoring.delong import delong_difference
from submissions.scoring.resamples import Sample
from submissions.scoring.uncertainty import (
    CountChunks,
    Difference,
    bootstrap_differences,
    case_resamples,
    patient_groups,
    patient_resamples,
)

# A fixed seed: both entries use the same resamples in every comparison.
SEED = 20250101
MAX_CHOICES = 200

METHODS = {
    "delong": "DeLong's test for two correlated ROC curves, over cases",
    "patient": "bootstrap over patients, both entries on the same 1,000 resamples",
    "cases": "bootstrap over cases, both entries on the same 1,000 resamples",
}


class NotComparable(Exception):
    """The two entries cannot be compared, or not yet; the message states what to do."""


@dataclass(frozen=True)
class MetricComparison:
    """One metric of both entries; difference is first minus second, or None where it cannot be computed."""

    metric: Metric
    first: float | None
    second: float | None
    difference: Difference | None

    @property
    def is_clear(self) -> bool:
        """Return whether the interval of the difference excludes zero."""
        return self.difference is not None and not self.difference.low <= 0 <= self.difference.high


@dataclass(frozen=True)
class Comparison:
    """All metrics side by side; `delong` is DeLong's test of the AUC, where the kind has an AUC."""

    lines: list[MetricComparison]
    delong: Difference | None
    n: int
    n_patients: int | None
    method: str


def comparable(board: Board, user: Any) -> Any:
    """Return the evaluations that `user` may compare: those on the board, and those of the user's team.

    Before the end of a competition there are none: a paired comparison is made of every metric of both entries.
    """
    if not board.is_full:
        return Evaluation.objects.none()
    own = Submission.objects.visible_to(user).filter(phase=board.phase)
    on_board = Standing.objects.filter(phase=board.phase, split=board.split).values("evaluation")
    counted = Evaluation.objects.filter(is_current=True, submission__phase=board.phase)
    mine = Q(submission__in=own)
    visible = counted.filter(mine | Q(pk__in=on_board, submission__is_hidden=False))
    return visible.select_related("submission__team").without_blobs()


def compare(board: Board, first: Evaluation, second: Evaluation) -> Comparison:
    """Return how two evaluations differ on the board's split. Raises NotComparable."""
    assert board.is_full, "nothing may be compared here"
    kind = board.phase.kind
    truth, patients, chosen = _cases(board, first, second)
    samples = Sample(truth, _predictions(kind, first, chosen)), Sample(truth, _predictions(kind, second, chosen))
    groups = patient_groups(patients) if any(patients) else None
    method = "cases" if groups is None else "patient"
    metrics = [METRICS[name] for name in kind.metrics]
    differences = bootstrap_differences(
        [metric for metric in metrics if metric.from_resamples], *samples, _resamples(groups, len(truth)), method
    )
    scores = first.scores[board.split], second.scores[board.split]
    lines = [
        MetricComparison(metric, scores[0].get(metric.name), scores[1].get(metric.name), differences.get(metric.name))
        for metric in metrics
    ]
    has_auc = any(metric.name == "auc" for metric in metrics)
    delong = delong_difference(truth, samples[0].predictions, samples[1].predictions) if has_auc else None
    n_patients = None if groups is None else int(groups.max()) + 1
    return Comparison(lines, delong, len(truth), n_patients, METHODS[method])


def _resamples(groups: NDArray[np.int64] | None, n: int) -> CountChunks:
    return case_resamples(n) if groups is None else patient_resamples(groups, SEED)


def _cases(board: Board, first: Evaluation, second: Evaluation) -> tuple[NDArray[Any], list[str], NDArray[np.bool_]]:
    """Return (truth, patients) of the split's cases, and a mask of these cases among the scored ones."""
    dataset = board.phase.dataset
    if {first.dataset_hash, second.dataset_hash} != {dataset.content_hash}:
        raise NotComparable("The dataset changed after one of the two was scored; ask for a re-evaluation.")
    rows = list(dataset.scored_cases().values_list("truth", "patient", "split"))
    chosen = np.array([split == board.split for _, _, split in rows])
    if not chosen.any():
        raise NotComparable("There are no cases to compare on yet.")
    truth = dataset.task.truths([truth for truth, _, _ in rows])[chosen]
    return truth, [patient for _, patient, split in rows if split == board.split], chosen


def _predictions(kind: Kind, evaluation: Evaluation, chosen: NDArray[np.bool_]) -> NDArray[Any]:
    if evaluation.predictions is None:
        raise NotComparable("The predictions of one of the two were not kept; ask for a re-evaluation.")
    predictions = kind.unpack(evaluation.predictions)
    if len(predictions) != len(chosen):
        raise NotComparable("One of the two was scored on other cases; ask for a re-evaluation.")
    return predictions[chosen]
