"""Board entries: what every counted evaluation weighs by each metric, so that no board reads stored scores to sort."""

from __future__ import annotations

import math
from typing import Any

from django.db import models
from django.db.models import QuerySet

from submissions.models.dataset import Split
from submissions.models.evaluation import Evaluation
from submissions.models.phase import Phase
from submissions.models.submission import Submission
from submissions.models.team import Team
from submissions.scoring import METRICS, MISSING, metrics_of

WRITTEN_AT_ONCE = 2000


class BoardEntry(models.Model):
    """One metric of one split of the evaluation that counts for a submission; hidden submissions have none.

    `sort_key` is the score as it is shown, its sign turned so that higher is better, -inf where it is missing.
    Only the metric that ranks has `tie_keys`.
    """

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="+", db_index=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="board_entries")
    split = models.CharField(max_length=10, choices=Split.choices)
    metric = models.CharField(max_length=40)
    is_baseline = models.BooleanField(default=False)
    sort_key = models.FloatField()
    tie_keys = models.JSONField(default=list)
    submitted_at = models.DateTimeField()

    class Meta:
        indexes = [
            # is_baseline lets the ranked entries above a page be counted in the index alone.
            models.Index(
                fields=["phase", "split", "metric", "-sort_key", "submitted_at", "is_baseline"], name="entries_in_order"
            ),
            models.Index(fields=["team", "phase", "metric", "split", "submitted_at"], name="entries_of_a_team"),
        ]
        verbose_name_plural = "board entries"

    def __str__(self) -> str:
        return f"{self.metric} of {self.evaluation}"


def key_of(phase: Phase, metric: str, scores: dict[str, Any]) -> float:
    """Return a metric as boards compare it: rounded as it is shown, so that no invisible digit decides a rank."""
    value = phase.rounded(scores.get(metric))
    if value is None or math.isnan(value):
        return MISSING
    return float(value) if METRICS[metric].higher_is_better else -float(value)


def stored_keys(keys: list[float]) -> list[float | None]:
    """Return tie-break keys as JSON holds them: it knows no infinity."""
    return [None if key == MISSING else key for key in keys]


def entries_of(phase: Phase, evaluation: Evaluation) -> list[BoardEntry]:
    """Return the rows of a counted evaluation, not saved: one a split and metric."""
    submission = evaluation.submission
    return [
        BoardEntry(
            phase=phase,
            team_id=submission.team_id,  # type: ignore[attr-defined]
            evaluation=evaluation,
            split=split,
            metric=metric,
            is_baseline=submission.is_baseline,
            sort_key=key_of(phase, metric, scores),
            tie_keys=stored_keys([key_of(phase, name, scores) for name in phase.tie_breaks])
            if metric == phase.ranking_metric
            else [],
            submitted_at=submission.created_at,
        )
        for split, scores in evaluation.scores.items()
        for metric in metrics_of(phase.kind.name)
    ]


def write_entries(phase: Phase, submissions: QuerySet[Submission]) -> None:
    """Write the rows of some submissions of a phase anew; call inside the transaction that changed them."""
    BoardEntry.objects.filter(evaluation__submission__in=submissions).delete()
    counted = Evaluation.objects.filter(submission__in=submissions, submission__is_hidden=False, is_current=True)
    light = counted.select_related("submission").only("scores", "submission__team_id", "submission__is_baseline",
                                                      "submission__created_at")  # fmt: skip
    rows: list[BoardEntry] = []
    for evaluation in light.iterator(chunk_size=500):
        rows += entries_of(phase, evaluation)
        if len(rows) >= WRITTEN_AT_ONCE:
            BoardEntry.objects.bulk_create(rows)
            rows = []
    BoardEntry.objects.bulk_create(rows)
