"""Write the board: receivers of the signals sent when a score or a ranking rule has changed.

Each receiver runs inside the sender's transaction: an error here rolls back the change that caused it.
"""

from __future__ import annotations

import math
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django_q.tasks import async_task

from leaderboard.models import SHOWN, BoardEntry, Standing
from leaderboard.ranking import ENTRY_ORDER
from submissions.actions.queue import CSV_CLUSTER
from submissions.disclosure import PRIVATE, PUBLIC
from submissions.disclosure.rounding import clamped
from submissions.models import Evaluation, Phase, Submission, Team
from submissions.phases.ladder import write_shown_scores
from submissions.scoring import METRICS, MISSING, metrics_of
from submissions.signals import evaluation_scored, ranking_rules_changed, weight_changed

WRITTEN_AT_ONCE = 2000
# Writing more entries than this takes longer than a page request may take.
RANKED_AT_ONCE = 5000


@receiver([evaluation_scored, weight_changed])
def write_submission(*, submission: Submission, **kwargs: Any) -> None:
    """Write the rows of one submission and its team's standings; the sender holds the team's row lock."""
    recompute_team_standings(submission.phase, submission.team, submission)


@receiver(ranking_rules_changed)
def write_phase(*, phase: Phase, **kwargs: Any) -> str:
    """Recompute a phase's board, at once or by a worker; return a message for the user who changed the rules."""
    entries = Evaluation.objects.filter(submission__phase=phase, is_current=True).count()
    if entries > RANKED_AT_ONCE:
        async_task("leaderboard.tasks.recompute_standings", phase.pk, cluster=CSV_CLUSTER)
        return f"A worker is recomputing the leaderboard: {entries:,} entries. Until it is done the board is mixed."
    teams = recompute_standings(phase)
    return f"The leaderboard was recomputed: {teams} team{'' if teams == 1 else 's'}."


def recompute_team_standings(phase: Phase, team: Team, submission: Submission | None = None) -> None:
    """Recompute the team's rows on the boards; call this inside the transaction that changed the current evaluations.

    submission: the submission that changed, if the team's others already have their entries.
    The caller holds the team's row lock, so two workers that finish at the same time cannot overwrite each other. The
    phase is re-read under the lock, because the ranking rules may have changed since a long run began.
    """
    phase = Phase.objects.select_related("dataset").get(pk=phase.pk)
    moved = write_shown_scores(phase, team)
    changed = Submission.objects.filter(phase=phase, team=team)
    write_entries(phase, changed.filter(pk__in={submission.pk, *moved}) if submission else changed)
    Standing.objects.filter(phase=phase, team=team).delete()
    best = _counting_entries(phase, team) if phase.has_ladder else _best_of(_ranked_entries(phase, team))
    scores = dict(Evaluation.objects.filter(pk__in={item.evaluation_id for item in best}).values_list("pk", "scores"))
    Standing.objects.bulk_create(
        Standing(
            phase=phase,
            team=team,
            split=entry.split,
            is_baseline=entry.is_baseline,
            evaluation_id=entry.evaluation_id,
            score=_score_of(entry, scores[entry.evaluation_id]),
            sort_key=entry.sort_key,
            tie_keys=entry.tie_keys,
            submitted_at=entry.submitted_at,
        )
        for entry in best
    )


def recompute_standings(phase: Phase) -> int:
    """Recompute every team's rows, each under the team's lock; return the number of teams."""
    teams = list(Team.objects.filter(submissions__phase=phase).distinct().values_list("pk", flat=True))
    for pk in teams:
        with transaction.atomic():
            recompute_team_standings(phase, Team.objects.select_for_update().get(pk=pk))
    return len(teams)


def _score_of(entry: BoardEntry, scores: dict[str, Any]) -> float:
    """Return the ranking score of an entry: as the ladder shows it, or in full."""
    if entry.split == SHOWN:
        return entry.sort_key if METRICS[entry.metric].higher_is_better else -entry.sort_key
    return float(scores[entry.split][entry.metric])


def _ranked_entries(phase: Phase, team: Team) -> list[BoardEntry]:
    """Return the team's entries by the ranking metric, the earliest first."""
    ranked = BoardEntry.objects.filter(phase=phase, team=team, metric=phase.ranking_metric, sort_key__gt=MISSING)
    return list(ranked.order_by(*ENTRY_ORDER[1:]))


def _counting_entries(phase: Phase, team: Team) -> list[BoardEntry]:
    """Return the best shown entry, and the rows of the entry that counts at the end; of baselines the best of each.

    The private scores choose nothing here: a team that is judged by the best of many hidden scores profits from chance.
    """
    entries = _ranked_entries(phase, team)
    own = [entry for entry in entries if not entry.is_baseline]
    shown = _best_of([entry for entry in own if entry.split == SHOWN])
    choices = Evaluation.objects.filter(submission__phase=phase, submission__team=team, submission__is_chosen=True)
    wanted = set(choices.filter(is_current=True).values_list("pk", flat=True))
    chosen = [entry.evaluation_id for entry in own if entry.evaluation_id in wanted]
    # Without public cases nothing is ever shown: then the last entry counts.
    counting = chosen or [entry.evaluation_id for entry in shown] or [entry.evaluation_id for entry in own[-1:]]
    counted = [entry for entry in own if entry.split != SHOWN and entry.evaluation_id in counting[:1]]
    return [*shown, *counted, *_best_of([entry for entry in entries if entry.is_baseline])]


def _best_of(entries: list[BoardEntry]) -> list[BoardEntry]:
    """Return the best entry of each split, separately for baselines; of equal entries, the earliest."""
    best: dict[tuple[str, bool], BoardEntry] = {}
    for entry in entries:
        place = (entry.split, entry.is_baseline)
        if place not in best or _keys(entry) > _keys(best[place]):
            best[place] = entry
    return list(best.values())


def _keys(entry: BoardEntry) -> tuple[float, ...]:
    return (entry.sort_key, *(MISSING if key is None else key for key in entry.tie_keys))


def key_of(phase: Phase, metric: str, scores: dict[str, Any]) -> float:
    """Return a metric's sort key: rounded and clamped as it is shown, so that no hidden digit decides a rank."""
    value = phase.rounded(scores.get(metric))
    if value is None or math.isnan(value):
        return MISSING
    if phase.decimals is not None:
        value = clamped(metric, value)
    return float(value) if METRICS[metric].higher_is_better else -float(value)


def stored_keys(keys: list[float]) -> list[float | None]:
    """Return tie-break keys as JSON values: None replaces infinity, which JSON does not have."""
    return [None if key == MISSING else key for key in keys]


def entries_of(phase: Phase, evaluation: Evaluation) -> list[BoardEntry]:
    """Return the unsaved rows of a current evaluation: one per counted split and metric, and one as it is shown."""
    return [*_full_entries(phase, evaluation), *_shown_entries(phase, evaluation)]


def _full_entries(phase: Phase, evaluation: Evaluation) -> list[BoardEntry]:
    return [
        _entry(
            phase,
            evaluation,
            split=split,
            metric=metric,
            sort_key=key_of(phase, metric, scores),
            tie_keys=stored_keys([key_of(phase, name, scores) for name in phase.tie_breaks])
            if metric == phase.ranking_metric
            else [],
        )
        for split, scores in evaluation.scores.items()
        if split in (PUBLIC, PRIVATE)  # the sample cases rank nobody
        for metric in metrics_of(phase.kind.name)
    ]


def _shown_entries(phase: Phase, evaluation: Evaluation) -> list[BoardEntry]:
    """Return the row that participants see before the end. Without tie-breaks: an order would tell hidden metrics."""
    if evaluation.shown_score is None:
        return []
    metric, score = phase.ranking_metric, evaluation.shown_score
    key = score if METRICS[metric].higher_is_better else -score
    return [_entry(phase, evaluation, split=SHOWN, metric=metric, sort_key=key)]


def _entry(phase: Phase, evaluation: Evaluation, **fields: Any) -> BoardEntry:
    submission = evaluation.submission
    return BoardEntry(
        phase=phase,
        team_id=submission.team_id,  # type: ignore[attr-defined]
        evaluation=evaluation,
        is_baseline=submission.is_baseline,
        submitted_at=submission.created_at,
        **fields,
    )


def write_entries(phase: Phase, submissions: QuerySet[Submission]) -> None:
    """Rewrite the rows of some submissions of a phase; call this inside the transaction that changed them."""
    BoardEntry.objects.filter(evaluation__submission__in=submissions).delete()
    counted = Evaluation.objects.filter(submission__in=submissions, submission__is_hidden=False, is_current=True)
    fields = ("scores", "shown_score", "submission__team_id", "submission__is_baseline", "submission__created_at")
    light = counted.select_related("submission").only(*fields)
    rows: list[BoardEntry] = []
    for evaluation in light.iterator(chunk_size=500):
        rows += entries_of(phase, evaluation)
        if len(rows) >= WRITTEN_AT_ONCE:
            BoardEntry.objects.bulk_create(rows)
            rows = []
    BoardEntry.objects.bulk_create(rows)
