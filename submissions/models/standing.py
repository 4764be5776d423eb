"""Standings: a team's best evaluation, one row a phase, team and split, so that a board is one indexed read."""

from __future__ import annotations

from typing import Any

from django.db import models

from submissions.models.dataset import Split
from submissions.models.evaluation import Evaluation
from submissions.models.phase import Phase
from submissions.models.team import Team
from submissions.scoring import METRICS


class Standing(models.Model):
    """`sort_key` is the ranking score with its sign turned so that higher is better; ties are in `tie_keys`."""

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="standings")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="standings")
    split = models.CharField(max_length=10, choices=Split.choices)
    is_baseline = models.BooleanField(default=False)
    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="standings")
    score = models.FloatField()
    sort_key = models.FloatField()
    tie_keys = models.JSONField(default=list)
    submitted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["phase", "team", "split", "is_baseline"], name="one_standing_per_team_and_split"
            )
        ]
        indexes = [models.Index(fields=["phase", "split", "-sort_key", "submitted_at"], name="board_order")]
        ordering = ["-sort_key", "submitted_at", "pk"]

    def __str__(self) -> str:
        return f"{self.team} in {self.phase}: {self.score}"


def sort_keys(phase: Phase, metrics: dict[str, Any]) -> tuple[float, ...] | None:
    """Return (ranking score, tie-breaks…), each higher-is-better; None where the ranking score is missing.

    Scores are compared as they are shown, so that an invisible digit never decides a rank.
    """
    names = [phase.ranking_metric, *phase.tie_breaks]
    values = [phase.shown(metrics.get(name)) for name in names]
    if values[0] is None:
        return None
    signs = [1.0 if METRICS[name].higher_is_better else -1.0 for name in names]
    return tuple(float("-inf") if v is None else sign * v for sign, v in zip(signs, values, strict=True))


def refresh_standings(phase: Phase, team: Team) -> None:
    """Recompute the team's rows from its counted evaluations; call inside the transaction that changed them.

    The caller holds the team's row lock, so two workers finishing at once cannot overwrite each other.
    """
    Standing.objects.filter(phase=phase, team=team).delete()
    counted = (
        Evaluation.objects.filter(
            submission__phase=phase, submission__team=team, submission__is_hidden=False, is_counted=True
        )
        .defer("predictions", "curves", "run_log", "smoke_log", "partial_answers")
        .select_related("submission")
    )
    best: dict[tuple[str, bool], tuple[tuple[float, ...], Evaluation]] = {}
    for evaluation in sorted(counted, key=lambda one: one.submission.created_at):
        for split, metrics in evaluation.scores.items():
            keys = sort_keys(phase, metrics)
            place = (split, evaluation.submission.is_baseline)
            if keys is not None and (place not in best or keys > best[place][0]):
                best[place] = (keys, evaluation)
    Standing.objects.bulk_create(
        Standing(
            phase=phase,
            team=team,
            split=split,
            is_baseline=is_baseline,
            evaluation=evaluation,
            score=evaluation.scores[split][phase.ranking_metric],
            sort_key=keys[0],
            tie_keys=[key if key != float("-inf") else None for key in keys[1:]],
            submitted_at=evaluation.submission.created_at,
        )
        for (split, is_baseline), (keys, evaluation) in best.items()
    )
