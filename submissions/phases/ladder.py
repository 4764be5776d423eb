"""Write which public scores a team is shown, after each change of its scored entries."""

from __future__ import annotations

from typing import Any

from submissions.disclosure import PUBLIC, Entry, climb
from submissions.models import Evaluation, Phase, Team
from submissions.scoring import METRICS


def write_shown_scores(phase: Phase, team: Team) -> set[Any]:
    """Write `shown_score` of the team's current evaluations; return the submissions whose shown score changed.

    Scores climb in the order in which they became known. The caller holds the team's row lock.
    """
    rows = Evaluation.objects.filter(submission__phase=phase, submission__team=team, is_current=True)
    fields = ("pk", "submission_id", "submission__is_hidden", "submission__is_baseline", "scores", "shown_score")
    known = list(rows.order_by("finished_at", "pk").values_list(*fields))
    shown = _climbed(phase, known) if phase.has_ladder else {}
    changed = {submission: pk for pk, submission, *_, before in known if shown.get(pk) != before}
    for pk in changed.values():
        Evaluation.objects.filter(pk=pk).update(shown_score=shown.get(pk))
    return set(changed)


def _climbed(phase: Phase, known: list[tuple[Any, ...]]) -> dict[Any, float]:
    metric = phase.ranking_metric
    entries = [
        Entry(pk, scores[PUBLIC][metric], is_baseline)
        for pk, _, is_hidden, is_baseline, scores, _ in known
        if not is_hidden and scores.get(PUBLIC, {}).get(metric) is not None
    ]
    return climb(
        entries,
        metric=metric,
        step=phase.step_of_ladder,
        digits=phase.score_digits,
        higher_is_better=METRICS[metric].higher_is_better,
    )
