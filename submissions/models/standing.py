"""Standings: a team's best evaluation, one row a phase, team and split, so that a board is one indexed read."""

from __future__ import annotations

from django.db import models, transaction

from submissions.models.board_entry import BoardEntry, write_entries
from submissions.models.dataset import Split
from submissions.models.evaluation import Evaluation
from submissions.models.phase import Phase
from submissions.models.submission import Submission
from submissions.models.team import Team
from submissions.scoring import MISSING


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


def recompute_team_standings(phase: Phase, team: Team, submission: Submission | None = None) -> None:
    """Write the team's rows on the boards anew; call inside the transaction that changed what counts.

    submission: the one that changed, where the team's others have their entries already.
    The caller holds the team's row lock, so two workers finishing at once cannot overwrite each other. The phase is
    read anew under it: what ranks may have been changed since a long run began.
    """
    phase = Phase.objects.select_related("dataset").get(pk=phase.pk)
    changed = Submission.objects.filter(phase=phase, team=team)
    write_entries(phase, changed.filter(pk=submission.pk) if submission else changed)
    Standing.objects.filter(phase=phase, team=team).delete()
    best = _best_entries(phase, team)
    scores = dict(Evaluation.objects.filter(pk__in={one.evaluation_id for one in best}).values_list("pk", "scores"))
    Standing.objects.bulk_create(
        Standing(
            phase=phase,
            team=team,
            split=entry.split,
            is_baseline=entry.is_baseline,
            evaluation_id=entry.evaluation_id,
            score=scores[entry.evaluation_id][entry.split][phase.ranking_metric],
            sort_key=entry.sort_key,
            tie_keys=entry.tie_keys,
            submitted_at=entry.submitted_at,
        )
        for entry in best
    )


def recompute_standings(phase: Phase) -> int:
    """Write every team's rows again, each under its lock; return how many teams there are."""
    teams = list(Team.objects.filter(submissions__phase=phase).distinct().values_list("pk", flat=True))
    for pk in teams:
        with transaction.atomic():
            recompute_team_standings(phase, Team.objects.select_for_update().get(pk=pk))
    return len(teams)


def _best_entries(phase: Phase, team: Team) -> list[BoardEntry]:
    """Return the team's best entry of each split, baselines apart; of equals the earliest."""
    ranked = BoardEntry.objects.filter(phase=phase, team=team, metric=phase.ranking_metric, sort_key__gt=MISSING)
    best: dict[tuple[str, bool], BoardEntry] = {}
    for entry in ranked.order_by("submitted_at", "evaluation_id"):
        place = (entry.split, entry.is_baseline)
        if place not in best or _keys(entry) > _keys(best[place]):
            best[place] = entry
    return list(best.values())


def _keys(entry: BoardEntry) -> tuple[float, ...]:
    return (entry.sort_key, *(MISSING if key is None else key for key in entry.tie_keys))
