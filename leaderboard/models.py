"""Tables of the board: each team's best evaluation, and the score of every current evaluation by each metric.

leaderboard/writing.py writes them in the transaction that changed a score, so a board is read by one indexed query.
"""

from __future__ import annotations

from django.db import models

from leaderboard.ranking import ENTRY_ORDER
from submissions.models import Evaluation, Phase, Split, Team

# The rows of public scores as the ladder shows them, beside the rows of the splits in full.
SHOWN = "shown"


def row_splits() -> list[tuple[str, str]]:
    counted = [(value, label) for value, label in Split.choices if value != Split.SAMPLE]
    return [*counted, (SHOWN, "shown: the public scores as participants see them before the end")]


class BoardEntry(models.Model):
    """One metric and split of a submission's current evaluation; hidden submissions have no entries.

    `sort_key` is the score as it is shown, with its sign changed if needed so that higher is better; -inf if missing.
    Only the ranking metric has `tie_keys`. With the ladder, rows of `shown` hold the scores that participants see.
    """

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="+", db_index=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="board_entries")
    split = models.CharField(max_length=10, choices=row_splits)
    metric = models.CharField(max_length=40)
    is_baseline = models.BooleanField(default=False)
    sort_key = models.FloatField()
    tie_keys = models.JSONField(default=list)
    submitted_at = models.DateTimeField()

    class Meta:
        indexes = [
            # is_baseline is included so that an index-only scan can count the ranked entries above a page.
            models.Index(
                fields=["phase", "split", "metric", "-sort_key", "submitted_at", "is_baseline"], name="entries_in_order"
            ),
            models.Index(fields=["team", "phase", "metric", "split", "submitted_at"], name="entries_of_a_team"),
        ]
        verbose_name_plural = "board entries"

    def __str__(self) -> str:
        return f"{self.metric} of {self.evaluation}"


class Standing(models.Model):
    """The current entry that ranks a team in a phase, by the ranking metric.

    In a practice phase it is the best of each split. With the ladder, `shown` has the best shown entry, and the other
    splits have the one entry that counts at the end: the one its team has chosen, else the best shown.

    `sort_key` is the ranking score, with its sign changed if needed so that higher is better; `tie_keys` break ties.
    """

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="standings")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="standings")
    split = models.CharField(max_length=10, choices=row_splits)
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


class RankComparison(models.Model):
    """Which ranks the entries of a ranking board could have, from the paired comparison of every two of them.

    Written by a worker. `standings` names the state of the standings that it compares; any other state makes it stale.
    `ranks` maps an evaluation's number to [first rank, last rank, whether it is not distinguishable from the entry
    above].
    """

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="+")
    split = models.CharField(max_length=10, choices=Split.choices)
    ranks = models.JSONField(default=dict)
    standings = models.JSONField(default=list)
    n_left_out = models.PositiveIntegerField(default=0)
    computed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["phase", "split"], name="one_comparison_a_board")]

    def __str__(self) -> str:
        return f"ranks of {self.phase}, {self.split}"
