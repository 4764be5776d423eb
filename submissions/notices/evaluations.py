"""Tell a team how its submission ended, with no more than the phase's disclosure shows a participant."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.dispatch import receiver
from django.utils import timezone
from django_q.tasks import async_task

from submissions.disclosure import PUBLIC
from submissions.models import Evaluation, Submission
from submissions.models.messages import Kind
from submissions.notices.sending import Notice, tell
from submissions.queues import ERRANDS_CLUSTER
from submissions.scoring.metrics import METRICS
from submissions.signals import evaluation_failed, evaluation_scored

TELL = "submissions.tasks.tell_of_evaluation"


@receiver(evaluation_scored, dispatch_uid="tell of scored submissions")
def queue_scored(sender: Any, submission: Submission, **options: Any) -> None:
    """Queue the notice inside the finishing transaction; its text is made later, where it can break nothing."""
    current = submission.evaluations.filter(is_current=True).first()
    if current is not None:
        async_task(TELL, current.pk, cluster=ERRANDS_CLUSTER)


@receiver(evaluation_failed, dispatch_uid="tell of failed submissions")
def queue_failed(sender: Any, evaluation: Evaluation, **options: Any) -> None:
    async_task(TELL, evaluation.pk, cluster=ERRANDS_CLUSTER)


def tell_of_evaluation(evaluation_id: int) -> int:
    """Tell the members of the team how an evaluation ended; return how many were told."""
    rows = Evaluation.objects.select_related("submission__phase__dataset", "submission__team")
    evaluation = rows.filter(pk=evaluation_id).first()
    if evaluation is None or evaluation.status not in (Evaluation.Status.COMPLETED, Evaluation.Status.FAILED):
        return 0  # staff queued it again meanwhile
    members = get_user_model().objects.filter(membership__team=evaluation.submission.team_id, is_active=True)
    is_scored = evaluation.status == Evaluation.Status.COMPLETED
    return tell(scored_notice(evaluation) if is_scored else failed_notice(evaluation), members)


def scored_notice(evaluation: Evaluation) -> Notice:
    submission = evaluation.submission
    phase, text = submission.phase, _shown_score(evaluation)
    value = shown_score(evaluation)
    return Notice(
        Kind.SCORED, f"scored {evaluation.pk}", f"Scored: {submission} in {phase}",
        f"The submission {submission} of team {submission.team} in {phase} was scored. {text}",
        f"/submissions/{submission.pk}/",
        {**_facts(submission), "metric": phase.ranking_metric, "public_score": value},
        frozenset({submission.team_id}),
    )  # fmt: skip


def failed_notice(evaluation: Evaluation) -> Notice:
    submission = evaluation.submission
    sentence = evaluation.failure_sentence or "It failed."
    if evaluation.trial.get("diagnosis"):  # it holds names from the container's log, which no mail should carry
        sentence += " Its page says what to change."
    # Asked of the row: a retry that was scored before keeps its try.
    counted = "The try counted." if submission.try_counts else "It cost no try."
    is_said = "try" in sentence
    return Notice(
        Kind.FAILED, f"failed {evaluation.pk} {evaluation.attempt}", f"Failed: {submission} in {submission.phase}",
        f"The submission {submission} of team {submission.team} in {submission.phase} failed: "
        f"{evaluation.failure_code}. {sentence}{'' if is_said else f' {counted}'}",
        f"/submissions/{submission.pk}/",
        {**_facts(submission), "failure_code": evaluation.failure_code, "try_counts": submission.try_counts},
        frozenset({submission.team_id}),
    )  # fmt: skip


def _facts(submission: Submission) -> dict[str, Any]:
    """Return what a webhook is told of any submission: nothing that its team does not know."""
    return {
        "submission": str(submission.pk), "phase": submission.phase.slug, "team": submission.team.name,
        "title": submission.title, "model_version": submission.model_version,
    }  # fmt: skip


def shown_score(evaluation: Evaluation) -> float | None:
    """Return the public score of the ranking metric in the form that a participant sees now, None where none is shown.

    Asked for a participant whoever reads it: a member of staff in the team gets no more by mail than the others.
    """
    phase = evaluation.submission.phase
    view = phase.view_in(phase.state(timezone.now()))
    value = view.scores(evaluation.scores, evaluation.shown_score).get(PUBLIC, {}).get(phase.ranking_metric)
    return None if value is None else float(value)


def _shown_score(evaluation: Evaluation) -> str:
    phase, value = evaluation.submission.phase, shown_score(evaluation)
    if value is not None:
        text = phase.view_in(phase.state(timezone.now())).score_text(value)
        return f"Its score ({METRICS[phase.ranking_metric].title}, public cases) is {text}."
    if phase.has_ladder and phase.step_of_ladder:
        return f"It is not better than your team's best by {phase.step_of_ladder:g}, so no new score is shown."
    return "There is no public score to show."
