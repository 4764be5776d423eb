"""The board as rows: a team's best evaluation, and what every current evaluation weighs by each metric.

Written by leaderboard/writing.py inside the transaction that changed a score, so that a board is one indexed read.
"""

from __future__ import annotations

from django.db import models

from leaderboard.ranking import ENTRY_ORDER
from submissions.models import Evaluation, Phase, Split, Team


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
        ordering = ENTRY_ORDER

    def __str__(self) -> str:
        return f"{self.team} in {self.phase}: {self.score}"
