"""Triage: what staff and teams decide of an evaluation: cancel, retry, re-evaluate, refund, hide, mark as baseline."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from submissions.actions.free_files import free_surplus
from submissions.actions.queue import enqueue
from submissions.actions.submit import start_evaluation
from submissions.database_clock import database_now
from submissions.models import Evaluation, Phase, StatusConflict, Submission, Team
from submissions.phases import errors as phase_errors
from submissions.runner.base import TRIAL
from submissions.signals import weight_changed


def cancel(*, submission: Submission) -> Evaluation:
    """Cancel the running or waiting evaluation of a submission; before the hidden cases, the try is given back.

    A running worker notices within a second and removes its containers. Raises ApiError when it is finished already.
    """
    for _ in range(3):
        evaluation = submission.evaluations.order_by("-pk")[0]
        if evaluation.is_finished:
            raise phase_errors.already_finished(evaluation.status)
        try:
            cancelled = _cancel(evaluation, submission)
            free_surplus(submission.team)
            return cancelled
        except StatusConflict:
            continue  # its status changed between the SELECT and the UPDATE: read it again
    raise phase_errors.still_active()


@transaction.atomic
def _cancel(evaluation: Evaluation, submission: Submission) -> Evaluation:
    evaluation = Evaluation.objects.select_for_update().get(pk=evaluation.pk)  # so that its stage stays as it is
    had_begun = evaluation.has_begun
    # A trial that was begun costs no try, but counts among the trials of the day.
    stage = TRIAL if evaluation.attempt and not had_begun else ""
    evaluation.transition_to(
        Evaluation.Status.CANCELLED, lease_until=None, finished_at=timezone.now(), failure_stage=stage
    )
    if not had_begun:
        submission.give_try_back()
    submission.refresh_from_db(fields=["try_counts"])
    is_given_back = not had_begun and not submission.try_counts
    before = "before the hidden cases" if evaluation.attempt else "before it started"
    message = f"Cancelled {before}; the try was given back." if is_given_back else "Cancelled."
    evaluation.add_event("cancelled", message)
    return evaluation


@transaction.atomic
def retry(*, evaluation: Evaluation) -> None:
    """Queue a failed evaluation again, with a fresh number of attempts; its try counts again if it succeeds.

    Raises StatusConflict unless it has failed, ApiError where its file is gone.
    """
    _check_not_frozen(evaluation.submission)
    Team.objects.select_for_update().get(pk=evaluation.submission.team_id)  # against free_files
    _check_has_file(evaluation.submission)
    evaluation.transition_to(
        Evaluation.Status.PENDING,
        failed_attempts=0,
        failure_code="",
        failure_note="",
        staff_detail="",
        finished_at=None,
        available_at=database_now(),
        stage="queued",
        avoid_host="",
    )
    evaluation.add_event("queued", "Queued again by the organisers.")
    Submission.objects.filter(pk=evaluation.submission_id).update(try_counts=True)
    enqueue(evaluation)


@transaction.atomic
def re_evaluate(*, submission: Submission) -> Evaluation:
    """Run a finished submission once more; the old scores stay until the new ones exist. Costs no try.

    Raises ApiError while an evaluation is still running or waiting.
    """
    _check_not_frozen(submission)
    Team.objects.select_for_update().get(pk=submission.team_id)
    if not submission.evaluations.order_by("-pk")[0].is_finished:
        raise phase_errors.still_active()
    _check_has_file(submission)
    return start_evaluation(submission)


def _check_not_frozen(submission: Submission) -> None:
    """Raise ApiError where the phase's final board is frozen; until this transaction ends, `freeze_board` waits.

    Call it before the team is locked, as whoever changes the phase does. Submissions do not wait for it (`no_key`).
    """
    if Phase.objects.select_for_update(no_key=True).get(pk=submission.phase_id).frozen_at is not None:
        raise phase_errors.board_frozen()


def _check_has_file(submission: Submission) -> None:
    """Raise ApiError if the file was deleted; an image that was pulled by reference can be pulled again."""
    gone = Submission.objects.filter(pk=submission.pk, file="", image_reference="")
    if gone.exists():
        raise phase_errors.file_deleted()


@transaction.atomic
def refund(*, submission: Submission) -> None:
    """Give the try back, whatever the result was."""
    Submission.objects.filter(pk=submission.pk).update(try_counts=False)
    submission.latest.add_event("refunded", "The organisers gave the try back.")


@transaction.atomic
def release(*, worker: str) -> int:
    """Requeue the evaluations that a stopping worker was running, without counting failed attempts.

    Returns how many; the worker's own processes notice and remove their containers.
    """
    count = 0
    for evaluation in Evaluation.objects.filter(status=Evaluation.Status.RUNNING, worker__startswith=f"{worker}:"):
        try:
            evaluation.transition_to(
                Evaluation.Status.PENDING, lease_until=None, stage="queued", available_at=database_now()
            )
        except StatusConflict:
            continue
        evaluation.add_event("queued", "The worker was restarted; it goes on elsewhere.", worker)
        enqueue(evaluation)
        count += 1
    return count


@transaction.atomic
def mark_baseline(*, submission: Submission, is_baseline: bool) -> None:
    _check_not_frozen(submission)
    Submission.objects.filter(pk=submission.pk).update(is_baseline=is_baseline)
    _refresh(submission)


@transaction.atomic
def set_hidden(*, submission: Submission, is_hidden: bool) -> None:
    _check_not_frozen(submission)
    Submission.objects.filter(pk=submission.pk).update(is_hidden=is_hidden)
    _refresh(submission)


def _refresh(submission: Submission) -> None:
    Team.objects.select_for_update().get(pk=submission.team_id)
    weight_changed.send(Submission, submission=submission)
