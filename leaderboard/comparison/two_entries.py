"""Compare two entries on the same cases (paired comparison)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from leaderboard.boards import Board
from leaderboard.comparison.cases import NotComparable, split_cases
from leaderboard.models import Standing
from lunasite.http.limits.dear_work import remembered
from submissions.models import Evaluation, Submission
from submissions.presenters.charts import Chart, banded_chart
from submissions.scoring import METRICS, Metric
from submissions.scoring.delong import delong_difference
from submissions.scoring.resamples import Ints, Sample
from submissions.scoring.roc_band import roc_band
from submissions.scoring.uncertainty import (
    CountChunks,
    Difference,
    bootstrap_differences,
    case_resamples,
    patient_resamples,
)

# A fixed seed: both entries use the same resamples in every comparison.
SEED = 20250101
MAX_CHOICES = 200

METHODS = {
    "patient": "bootstrap over patients, both entries on the same 1,000 resamples",
    "cases": "bootstrap over cases, both entries on the same 1,000 resamples",
}


@dataclass(frozen=True)
class MetricComparison:
    """One metric of entries A and B; difference is A minus B, or None where it cannot be computed."""

    metric: Metric
    first: float | None
    second: float | None
    difference: Difference | None

    @property
    def is_clear(self) -> bool:
        """Return whether the interval of the difference excludes zero."""
        return self.difference is not None and not self.difference.low <= 0 <= self.difference.high

    @property
    def reading(self) -> str:
        """Return how B compares with A in words."""
        if self.difference is None:
            return "no interval"
        if not self.is_clear:
            return "may be chance"
        if not self.metric.can_rank:
            return "B is lower" if self.difference.value > 0 else "B is higher"
        return "B is worse" if self.winner == "A" else "B is better"

    @property
    def winner(self) -> str:
        """Return `A` or `B` where one is clearly better, else an empty text."""
        if not self.is_clear or not self.metric.can_rank or self.difference is None:
            return ""
        return "A" if (self.difference.value > 0) == self.metric.higher_is_better else "B"


@dataclass(frozen=True)
class Comparison:
    """All metrics side by side; `delong` is DeLong's test of the AUC, where the kind has an AUC.

    chart: both ROC curves with their bands, where the kind has one ROC curve. n_patients: None where they are unknown.
    """

    lines: list[MetricComparison]
    delong: MetricComparison | None
    chart: Chart | None
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


def remembered_comparison(board: Board, first: Evaluation, second: Evaluation, *, caller: str) -> Comparison:
    """Return the comparison, computed once for both evaluations. Raises NotComparable, ApiError(429)."""
    both = (
        (entry.pk, entry.attempt, entry.finished_at, entry.metric_version, entry.dataset_hash)
        for entry in (first, second)
    )
    inputs = (board.split, board.phase.dataset.content_hash, *both)
    return remembered("comparison", inputs, lambda: compare(board, first, second), caller=caller)


def compare(board: Board, first: Evaluation, second: Evaluation) -> Comparison:
    """Return how two evaluations differ on the board's split. Raises NotComparable."""
    assert board.is_full, "nothing may be compared here"
    kind, dataset = board.phase.kind, board.phase.dataset
    if {first.dataset_hash, second.dataset_hash} != {dataset.content_hash}:
        raise NotComparable("The dataset changed after one of the two was scored; ask for a re-evaluation.")
    cases = split_cases(board.phase, board.split)
    pair = cases.sample(first), cases.sample(second)
    groups = cases.groups if cases.has_patients else None
    method = "cases" if groups is None else "patient"
    metrics = [METRICS[name] for name in kind.metrics]
    counted = [metric for metric in metrics if metric.from_resamples]
    has_auc = "auc" in kind.metrics
    delong = delong_difference(cases.truth, pair[0].predictions, pair[1].predictions, groups) if has_auc else None
    differences = bootstrap_differences(counted, *pair, _resamples(groups, len(cases.truth)), method)
    # One number for one thing: the AUC's line says what its test says.
    differences |= {"auc": delong} if delong else {}
    scores = first.scores[board.split], second.scores[board.split]

    def line(metric: Metric, difference: Difference | None) -> MetricComparison:
        return MetricComparison(metric, scores[0].get(metric.name), scores[1].get(metric.name), difference)

    return Comparison(
        lines=[line(metric, differences.get(metric.name)) for metric in metrics],
        delong=line(METRICS["auc"], delong) if delong else None,
        chart=_chart(board, pair, cases.groups, (first, second)) if has_auc else None,
        n=len(cases.truth),
        n_patients=None if groups is None else int(groups.max()) + 1,
        method=METHODS[method],
    )


def _chart(
    board: Board, pair: tuple[Sample, Sample], groups: Ints, entries: tuple[Evaluation, Evaluation]
) -> Chart | None:
    drawn = [entry.curves.get(board.split, {}).get("roc") for entry in entries]
    if not all(isinstance(points, list) and points for points in drawn):
        return None
    bands = [roc_band(sample, groups, SEED) for sample in pair]
    return banded_chart("roc", dict(zip("AB", drawn, strict=True)), dict(zip("AB", bands, strict=True)))


def _resamples(groups: Ints | None, n: int) -> CountChunks:
    return case_resamples(n) if groups is None else patient_resamples(groups, SEED)
