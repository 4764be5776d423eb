"""An evaluation's life: claimed once, finished once, lost and found, cancelled, retried."""

import importlib
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from django_q.models import OrmQ

from leaderboard.models import Standing
from lunasite.http.errors import ApiError
from submissions import actions
from submissions.actions import finish, queue, triage
from submissions.actions.evaluate import claim
from submissions.failures import FAILURES
from submissions.faults import PlatformError
from submissions.models import Evaluation, StatusConflict, Submission, Worker
from submissions.phases.quota import trials_failed
from submissions.presenters.progress import progress_of
from submissions.scoring import MetricError
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db
Status = Evaluation.Status
evaluate_module = importlib.import_module("submissions.actions.evaluate")


def evaluate(submission, worker="tests"):
    actions.evaluate(evaluation_id=submission.latest.pk, worker=worker)
    return submission.latest


@pytest.mark.slow
def test_a_csv_is_scored_and_ranks():
    evaluation = evaluated().latest
    assert evaluation.status == Status.COMPLETED
    assert evaluation.scores["public"]["auc"] == pytest.approx(23 / 24)
    assert set(evaluation.scores["public"]["auc_ci"]) == {"newcombe", "luna25", "delong", "patient"}
    assert Standing.objects.get().evaluation == evaluation


@pytest.mark.slow
def test_equal_predictions_get_equal_intervals():
    phase = make_phase()
    first, second = evaluated(phase=phase).latest, evaluated(phase=phase).latest
    assert first.seed != second.seed
    assert first.scores["public"]["auc_ci"] == second.scores["public"]["auc_ci"]


def test_submitting_leaves_exactly_one_message():
    submission = make_submission()
    assert OrmQ.objects.filter(key="evaluations").count() == 1
    assert queue.place_in_queue(submission.latest) == 1


@pytest.mark.slow
def test_a_message_delivered_twice_changes_nothing():
    submission = make_submission()
    first = evaluate(submission)
    again = evaluate(submission)
    assert (again.attempt, again.finished_at) == (1, first.finished_at)


def test_two_claims_get_one_row():
    evaluation = make_submission().latest
    assert claim(evaluation.pk, "a").worker == "a"
    assert claim(evaluation.pk, "b") is None


@pytest.mark.slow
def test_a_result_of_a_lost_attempt_is_not_written():
    submission = make_submission()
    mine = claim(submission.latest.pk, "slow")
    OrmQ.objects.all().delete()  # the message went with its worker
    Evaluation.objects.filter(pk=mine.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert actions.sweep() == (1, 1)
    with pytest.raises(StatusConflict):
        mine.transition_to(Status.COMPLETED)
    assert evaluate(submission).attempt == 2


@pytest.mark.parametrize(
    ("status", "target"),
    [
        ("completed", "pending"),
        ("completed", "running"),
        ("cancelled", "pending"),
        ("pending", "completed"),
        ("failed", "completed"),
    ],
)
def test_forbidden_moves_raise(status, target):
    evaluation = make_submission().latest
    Evaluation.objects.filter(pk=evaluation.pk).update(status=status)
    evaluation.refresh_from_db()
    with pytest.raises(StatusConflict):
        evaluation.transition_to(target)


@pytest.mark.slow
def test_three_lost_workers_fail_it_as_ours_and_give_the_try_back(settings):
    submission = make_submission()
    for _ in range(settings.EVALUATION_MAX_ATTEMPTS):
        claim(submission.latest.pk, "doomed")
        Evaluation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        actions.sweep()
    submission.refresh_from_db()
    assert submission.latest.failure_code == "SYSTEM_WORKER_LOST"
    assert submission.try_counts is False


def test_what_a_lost_worker_ran_is_taken_at_once():
    submission = make_submission()
    claim(submission.latest.pk, "doomed")
    Evaluation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    actions.sweep()
    assert claim(submission.latest.pk, "next") is not None


def test_a_crash_of_our_code_is_called_so_and_waits_before_it_is_tried_again(monkeypatch, settings):
    settings.EVALUATION_MAX_ATTEMPTS = 2
    monkeypatch.setattr(evaluate_module, "_csv_outcome", lambda evaluation: 1 / 0)
    submission = make_submission()
    first = evaluate(submission)
    assert (first.status, "ZeroDivisionError" in first.staff_detail) == (Status.PENDING, True)
    assert first.available_at > timezone.now()
    Evaluation.objects.update(available_at=timezone.now())
    assert evaluate(submission).failure_code == "SYSTEM_ERROR"
    submission.refresh_from_db()
    assert submission.try_counts is False


def test_a_missing_file_is_ours_and_is_tried_later():
    submission = make_submission()
    default_storage.delete(submission.file)
    evaluation = evaluate(submission)
    assert evaluation.status == Status.PENDING
    assert evaluation.available_at > timezone.now()
    assert claim(evaluation.pk, "early") is None


def test_a_failing_metric_is_ours_and_nothing_reaches_the_board(monkeypatch, settings):
    settings.EVALUATION_MAX_ATTEMPTS = 1
    submission = make_submission()

    def broken(*args, **kwargs):
        raise MetricError("NaN")

    monkeypatch.setattr(finish, "score", broken)
    evaluation = evaluate(submission)
    assert (evaluation.failure_code, Standing.objects.count()) == ("SYSTEM_METRIC", 0)
    assert "NaN" in evaluation.staff_detail
    assert "NaN" not in evaluation.failure_note


def test_a_changed_dataset_scores_nobody(settings):
    settings.EVALUATION_MAX_ATTEMPTS = 1
    submission = make_submission()
    submission.phase.dataset.__class__.objects.update(content_hash="x" * 64)
    assert evaluate(submission).failure_code == "SYSTEM_DATASET"


def test_an_unforeseen_error_is_ours(monkeypatch, settings):
    settings.EVALUATION_MAX_ATTEMPTS = 1
    submission = make_submission()
    monkeypatch.setattr(evaluate_module, "_csv_outcome", lambda evaluation: 1 / 0)
    evaluation = evaluate(submission)
    assert evaluation.failure.is_ours
    assert "ZeroDivisionError" in evaluation.staff_detail


@pytest.mark.slow
def test_a_lost_message_is_sent_again():
    submission = make_submission()
    OrmQ.objects.all().delete()
    assert actions.sweep() == (0, 1)
    assert OrmQ.objects.count() == 1
    assert actions.sweep() == (0, 0)
    assert evaluate(submission).status == Status.COMPLETED


def test_cancelling_in_the_queue_gives_the_try_back():
    submission = make_submission()
    actions.cancel(submission=submission)
    submission.refresh_from_db()
    assert (submission.latest.status, submission.try_counts) == (Status.CANCELLED, False)
    assert evaluate(submission).status == Status.CANCELLED


def test_cancelling_a_run_makes_its_result_void():
    submission = make_submission()
    mine = claim(submission.latest.pk, "w")
    actions.cancel(submission=submission)
    assert Evaluation.objects.attempt_running(mine.pk, mine.attempt).exists() is False
    with pytest.raises(StatusConflict):
        finish.complete(evaluation=mine, outcome=finish.Outcome(np.zeros(10)))


def running(submission):
    claim(submission.latest.pk, "w")


def requeued(submission):
    finish.requeue(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_ENGINE")


def released(submission):
    claim(submission.latest.pk, "host/evaluations/7:8")
    assert actions.release(worker="host/evaluations/7") == 1


@pytest.mark.parametrize("start", [running, requeued, released])
def test_cancelling_what_had_started_costs_the_try(start):
    """Else a team could watch a run and take it back before its score is there, as often as it likes."""
    submission = make_submission()
    start(submission)
    actions.cancel(submission=submission)
    submission.refresh_from_db()
    assert (submission.latest.status, submission.try_counts) == (Status.CANCELLED, True)
    assert submission.latest.events.last().note == "Cancelled."
    assert "given back" not in progress_of(submission.latest, timezone.now()).sentence


@pytest.mark.parametrize(
    ("stage", "timings", "counts"),
    [
        ("load", {}, False),
        ("smoke", {}, False),
        ("start", {"smoke_s": 1.0}, True),
        ("load", {"predict_started_at": "2026-01-01T00:00:00+00:00"}, True),
    ],
)
def test_an_image_cancelled_in_its_trial_costs_no_try_but_a_trial(stage, timings, counts):
    submission = make_submission()
    Submission.objects.filter(pk=submission.pk).update(submission_type="docker")
    submission.refresh_from_db()
    claim(submission.latest.pk, "w").save_progress(stage=stage, timings=timings)
    actions.cancel(submission=submission)
    submission.refresh_from_db()
    assert (submission.latest.status, submission.try_counts) == (Status.CANCELLED, counts)
    assert trials_failed(submission.team, submission.user, timezone.now()) == int(not counts)


def test_a_cancelled_run_uses_up_the_quota():
    phase = make_phase(quotas=[(1, timedelta(days=1))])
    submission = make_submission(phase=phase)
    running(submission)
    actions.cancel(submission=submission)
    with pytest.raises(ApiError) as refused:
        make_submission(user=submission.user, phase=phase)
    assert refused.value.status_code == 429


@pytest.mark.slow
def test_a_submission_cancelled_in_the_queue_leaves_the_quota_as_it_was():
    phase = make_phase(quotas=[(1, timedelta(days=1))])
    submission = make_submission(phase=phase)
    actions.cancel(submission=submission)
    assert submission.latest.events.last().note == "Cancelled before it started; the try was given back."
    assert make_submission(user=submission.user, phase=phase).latest.status == Status.PENDING


def test_cancelling_twice_is_refused():
    submission = make_submission()
    actions.cancel(submission=submission)
    with pytest.raises(ApiError) as refused:
        actions.cancel(submission=submission)
    assert refused.value.status_code == 409


@pytest.mark.slow
def test_retry_runs_a_failed_evaluation_again(settings):
    settings.EVALUATION_MAX_ATTEMPTS = 1
    submission = make_submission()
    evaluation = claim(submission.latest.pk, "w")
    finish.requeue(evaluation=evaluation, code="SYSTEM_STORAGE", staff_detail="bucket away")
    submission.refresh_from_db()
    assert (submission.latest.status, submission.try_counts) == (Status.FAILED, False)
    actions.retry(evaluation=submission.latest)
    assert evaluate(submission).status == Status.COMPLETED
    submission.refresh_from_db()
    assert submission.try_counts is True


@pytest.mark.slow
def test_re_evaluation_replaces_the_counted_run():
    submission = evaluated()
    first = submission.latest
    actions.re_evaluate(submission=submission)
    second = evaluate(submission)
    first.refresh_from_db()
    assert (first.is_current, second.is_current) == (False, True)
    assert Standing.objects.get().evaluation == second


@pytest.mark.slow
@pytest.mark.parametrize("end", ["cancelled", "ours", "theirs"])
def test_a_re_evaluation_that_comes_to_nothing_leaves_scores_and_try_as_they_were(end):
    submission = evaluated()
    actions.re_evaluate(submission=submission)
    if end == "cancelled":
        actions.cancel(submission=submission)
    else:
        code = {"ours": "SYSTEM_METRIC", "theirs": "CSV_IDS"}[end]
        finish.fail(evaluation=claim(submission.latest.pk, "w"), code=code)
    submission.refresh_from_db()
    assert submission.try_counts is True
    assert "given back" not in progress_of(submission.latest, timezone.now()).sentence
    assert not submission.latest.events.filter(note__contains="given back").exclude(stage="failed").exists()
    assert Standing.objects.count() == 1


def test_re_evaluation_waits_for_the_running_one():
    submission = make_submission()
    with pytest.raises(ApiError):
        actions.re_evaluate(submission=submission)


def test_a_stopped_worker_gives_its_work_back_without_a_setback():
    submission = make_submission()
    claim(submission.latest.pk, "host/evaluations/7:8")
    assert actions.release(worker="host/evaluations/70") == 0
    assert actions.release(worker="host/evaluations/7") == 1
    assert (submission.latest.status, submission.latest.failed_attempts) == (Status.PENDING, 0)


@pytest.mark.parametrize(("silent_s", "is_alive"), [(0, True), (30, True), (30.001, False)])
def test_a_worker_lives_while_it_was_heard_of_in_the_last_thirty_seconds(silent_s, is_alive):
    now = timezone.now()
    worker = Worker.objects.create(name="w", pid=1, started_at=now, seen_at=now - timedelta(seconds=silent_s))
    assert (worker.is_alive(now), Worker.objects.alive(now).exists()) == (is_alive, is_alive)


def test_back_off_doubles(settings):
    settings.EVALUATION_MAX_ATTEMPTS = 9
    waits = []
    submission = make_submission()
    for _ in range(3):
        Evaluation.objects.update(available_at=timezone.now())
        finish.requeue(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_ENGINE")
        waits.append(round((submission.latest.available_at - timezone.now()).total_seconds()))
    assert waits == [5, 10, 20]


@pytest.mark.slow
def test_the_best_of_a_team_stands_and_hiding_it_brings_the_next():
    user, phase = make_member(), make_phase()
    worse = evaluated(user=user, phase=phase, values=[0.5] * 10)
    best = evaluated(user=user, phase=phase)
    assert Standing.objects.get().evaluation == best.latest
    actions.set_hidden(submission=best, is_hidden=True)
    assert Standing.objects.get().evaluation == worse.latest


@pytest.mark.slow
def test_a_baseline_stands_beside_the_teams_own_row():
    user, phase = make_member(), make_phase()
    baseline = evaluated(user=user, phase=phase)
    actions.mark_baseline(submission=baseline, is_baseline=True)
    evaluated(user=user, phase=phase, values=[0.5] * 10)
    assert sorted(Standing.objects.values_list("is_baseline", flat=True)) == [False, True]


@pytest.mark.slow
def test_public_and_private_splits_are_scored_apart():
    splits = ["public", "private"] * 5
    phase = make_phase(make_dataset(truth=[0, 0, 0, 0, 1, 1, 1, 1, 0, 1], splits=splits))
    scores = evaluated(phase=phase).latest.scores
    assert {name: split["n"] for name, split in scores.items()} == {"public": 5, "private": 5}
    assert set(Standing.objects.values_list("split", flat=True)) == {"public", "private", "shown"}


def test_only_participants_counted_faults_use_up_a_try():
    for failure in FAILURES.values():
        assert not (failure.is_ours and failure.counts)
        assert failure.sentence.endswith(".")


def test_a_platform_error_never_shows_its_text_to_the_participant():
    assert "secret" not in FAILURES[PlatformError("SYSTEM_DISK", "secret path").code].sentence


def test_a_retry_that_cannot_be_queued_changes_nothing(settings, monkeypatch):
    settings.EVALUATION_MAX_ATTEMPTS = 1
    submission = make_submission()
    finish.requeue(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_STORAGE", staff_detail="bucket away")

    def away(evaluation):
        raise PlatformError("no queue")

    monkeypatch.setattr(triage, "enqueue", away)
    with pytest.raises(PlatformError):
        actions.retry(evaluation=submission.latest)
    submission.refresh_from_db()
    assert (submission.latest.status, submission.try_counts) == (Status.FAILED, False)


def test_what_is_retried_has_all_its_attempts_again(settings):
    settings.EVALUATION_MAX_ATTEMPTS = 3
    submission = make_submission()
    submission.evaluations.update(status=Status.FAILED, failure_code="SYSTEM_ERROR", failed_attempts=2)
    actions.retry(evaluation=submission.latest)
    finish.requeue(evaluation=claim(submission.latest.pk, "tests"), code="SYSTEM_ERROR")
    assert (submission.latest.status, submission.latest.failed_attempts) == (Status.PENDING, 1)


def test_a_new_attempt_begins_without_the_answers_of_the_last():
    submission = make_submission()
    submission.evaluations.update(answered=3, total=9)
    claimed = claim(submission.latest.pk, "tests")
    assert (claimed.stage, claimed.answered, claimed.total) == ("started", 0, 0)
