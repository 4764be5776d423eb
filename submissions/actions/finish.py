"""Finish an attempt: score and complete it, fail it, or requeue it, each in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django_q.tasks import async_task
from numpy.typing import NDArray

from submissions.actions.db_retry import retry_on_deadlock, retry_when_away
from submissions.actions.queue import CSV_CLUSTER
from submissions.database_clock import database_now
from submissions.failures import FAILURES
from submissions.faults import PlatformError
from submissions.models import Evaluation, PeriodicJob, Split, Team
from submissions.runner.base import TRIAL
from submissions.scoring import METRIC_VERSION, MetricError, Outcome, curves, score
from submissions.signals import evaluation_failed, evaluation_scored

log = structlog.get_logger(__name__)
FIRST_BACK_OFF_S = 5
# Of each code staff get one mail in an hour: what follows has the same cause, and the admin lists it.
MAIL_EVERY_S = 3600.0


def complete(*, evaluation: Evaluation, outcome: Outcome, still_wanted: Callable[[], bool] = lambda: True) -> None:
    """Score the predictions, finish the evaluation and update the submission's current evaluation and the standing.

    While the database is away, the outcome is kept and finished when it answers again, as long as it is still wanted.
    Raises StatusConflict when the attempt is no longer ours, PlatformError when the truth or a metric fails.
    """
    started = time.monotonic()
    evaluation.save_progress(stage="scoring")
    scores, drawn = score_splits(evaluation, outcome.predictions)
    of_samples = score_samples(evaluation, outcome.samples)
    scores, drawn = scores | of_samples[0], drawn | of_samples[1]
    timings = outcome.timings | {"score_s": time.monotonic() - started}
    submission = evaluation.submission
    packed = submission.phase.kind.pack(outcome.predictions)

    @transaction.atomic
    def finish() -> None:
        Team.objects.select_for_update().get(pk=submission.team_id)
        submission.evaluations.filter(is_current=True).update(is_current=False)
        evaluation.status = Evaluation.Status.RUNNING  # a rolled-back try may have left "completed" in memory
        evaluation.transition_to(
            Evaluation.Status.COMPLETED, scores=scores, curves=drawn, predictions=packed,
            sample_answers=outcome.samples,
            metric_version=METRIC_VERSION, timings=timings, is_current=True, stage="scored", partial_answers={},
            lease_until=None, finished_at=timezone.now(), failure_code="", failure_note="", failure_stage="", trial={},
        )  # fmt: skip
        evaluation.add_event("scored", "Scored.")
        evaluation_scored.send(Evaluation, submission=submission)

    retry_when_away(lambda: retry_on_deadlock(finish), still_wanted=still_wanted)


def score_splits(evaluation: Evaluation, predictions: NDArray[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (scores, curves), each a map of split to JSON values. The truth is read here and passed nowhere else."""
    dataset = evaluation.submission.phase.dataset
    rows = list(dataset.scored_cases().values_list("truth", "split", "patient"))
    if dataset.content_hash != evaluation.dataset_hash:
        raise PlatformError("SYSTEM_DATASET", "the dataset has changed since the evaluation was made")
    if len(rows) != len(predictions):
        raise PlatformError("SYSTEM_DATASET", f"{len(rows)} cases but {len(predictions)} predictions")
    truth = dataset.task.truths([row[0] for row in rows])
    splits = np.array([row[1] for row in rows])
    patients = np.array([row[2] for row in rows])
    scores, drawn = {}, {}
    for split in (Split.PUBLIC, Split.PRIVATE):
        chosen = splits == split.value
        if chosen.any():
            part = truth[chosen], predictions[chosen], patients[chosen]
            scores[split.value], drawn[split.value] = _score(evaluation, *part, dataset.is_practice)
    return scores, drawn


def score_samples(evaluation: Evaluation, answers: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (scores, curves) of the sample cases that were answered, like those of a counted split.

    Samples are few and may lack a class; then only their number is told, and nothing that counts fails.
    """
    dataset = evaluation.submission.phase.dataset
    rows = [row for row in dataset.sample_cases().values_list("public_id", "truth", "patient") if row[0] in answers]
    if not rows:
        return {}, {}
    counted: tuple[dict[str, Any], dict[str, Any]] = ({Split.SAMPLE.value: {"n": len(rows)}}, {})
    if dataset.task.split_problem([truth for _, truth, _ in rows]):
        return counted
    predictions = dataset.task.gather([answers[public_id] for public_id, _, _ in rows])
    patients = np.array([patient for _, _, patient in rows])
    try:
        truths = dataset.task.truths([truth for _, truth, _ in rows])
        scores, drawn = _score(evaluation, truths, predictions, patients, truth_is_public=True)
    except PlatformError as error:
        log.warning("samples not scored", evaluation=evaluation.pk, reason=error.staff_detail)
        return counted
    return {Split.SAMPLE.value: scores}, {Split.SAMPLE.value: drawn}


def _score(
    evaluation: Evaluation,
    truth: NDArray[Any],
    predictions: NDArray[Any],
    patients: NDArray[np.str_],
    truth_is_public: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    phase = evaluation.submission.phase
    known = patients.tolist() if np.all(patients != "") else None
    try:
        scores = score(
            phase.kind.name, truth, predictions, known, seed=evaluation.bootstrap_seed, ranking=phase.ranking_metric
        )
        return scores, curves(phase.kind.name, truth, predictions, truth_is_public=truth_is_public)
    except MetricError as error:
        raise PlatformError("SYSTEM_METRIC", str(error)) from error


def fail(*, evaluation: Evaluation, code: str, note: str = "", staff_detail: str = "", stage: str = "") -> None:
    """End an evaluation with a failure code; only a participant's fault that counts uses up the try.

    stage: where it failed, if not where the table says; a trial on public samples never counts.

    Raises StatusConflict when the attempt is no longer ours.
    """
    failure = FAILURES[code]
    lost = int(failure.is_ours and evaluation.status == Evaluation.Status.RUNNING)
    with transaction.atomic():
        evaluation.transition_to(
            Evaluation.Status.FAILED, failure_code=code, failure_note=note, staff_detail=staff_detail[:20_000],
            failure_stage=stage or failure.stage,
            ever_failed_attempts=F("ever_failed_attempts") + lost,
            lease_until=None, finished_at=timezone.now(), partial_answers={},
        )  # fmt: skip
        evaluation.add_event("failed", evaluation.failure_sentence, staff_detail[:20_000])
        if not failure.counts or stage == TRIAL:
            evaluation.submission.give_try_back()
        evaluation_failed.send(Evaluation, evaluation=evaluation)
        if failure.is_ours and PeriodicJob.acquire(f"mail {code}", MAIL_EVERY_S):
            async_task("submissions.tasks.alert_staff", evaluation.pk, cluster=CSV_CLUSTER)
    log.info("evaluation failed", evaluation=evaluation.pk, code=code)


def requeue(
    *,
    evaluation: Evaluation,
    code: str,
    staff_detail: str = "",
    wait: timedelta | None = None,
    avoid_host: str = "",
) -> None:
    """Return an attempt that failed by our fault to the queue; after the last one, fail the evaluation as ours.

    wait: how long it may not be claimed; None for a delay that doubles with each failed attempt.
    avoid_host: a host that is to leave the next attempt to others, where there are others.
    Raises StatusConflict when the attempt is no longer ours.
    """
    failed_attempts = evaluation.failed_attempts + 1
    if failed_attempts >= settings.EVALUATION_MAX_ATTEMPTS:
        fail(evaluation=evaluation, code=code, staff_detail=staff_detail)
        return
    if wait is None:
        wait = timedelta(seconds=FIRST_BACK_OFF_S * 2 ** (failed_attempts - 1))
    with transaction.atomic():
        evaluation.transition_to(
            Evaluation.Status.PENDING,
            failed_attempts=failed_attempts,
            ever_failed_attempts=F("ever_failed_attempts") + 1,
            available_at=database_now() + wait,
            avoid_host=avoid_host,
            lease_until=None,
            stage="queued",
            enqueued_at=None,
            staff_detail=f"{code}: {staff_detail}"[:20_000],
        )
        evaluation.add_event(
            "queued", "Something on our side failed; it is tried again.", f"{code}: {staff_detail}"[:20_000]
        )
