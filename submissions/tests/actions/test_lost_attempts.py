"""An attempt that was lost writes nothing: each UPDATE names the attempt it belongs to."""

from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from submissions import actions
from submissions.actions import finish
from submissions.actions.evaluate import claim
from submissions.models import Evaluation, StatusConflict
from submissions.tests.factories import make_submission

pytestmark = pytest.mark.django_db
Status = Evaluation.Status


@contextmanager
def between_look_and_update(act):
    """Let `act` happen once in the block: after evaluations were read, before the transaction that writes them."""
    looked, acted = [], []

    def interleave(execute, sql, params, many, context):
        if looked and not acted and sql.startswith(("UPDATE", "SAVEPOINT")):
            acted.append(sql)
            act()
        if sql.startswith("SELECT") and 'FROM "submissions_evaluation"' in sql:
            looked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interleave):
        yield
    assert acted, "nothing was written"


def set_back_now(evaluation):
    finish.requeue(evaluation=evaluation, code="SYSTEM_ENGINE", wait=timedelta(0))


def taken_over():
    """Return (the lost first attempt, the running second one) of one evaluation."""
    submission = make_submission()
    lost = claim(submission.latest.pk, "slow")
    set_back_now(claimed := Evaluation.objects.get(pk=lost.pk))
    assert claimed.status == Status.PENDING
    return lost, claim(lost.pk, "quick")


LATE_WRITES = {
    "complete": lambda lost: lost.transition_to(Status.COMPLETED, scores={"public": {"auc": 1.0}}, is_current=True),
    "complete with scores": lambda lost: finish.complete(evaluation=lost, outcome=finish.Outcome(np.zeros(10))),
    "fail": lambda lost: finish.fail(evaluation=lost, code="OUT_OF_MEMORY"),
    "set back": lambda lost: finish.requeue(evaluation=lost, code="SYSTEM_ENGINE"),
    "cancel": lambda lost: lost.transition_to(Status.CANCELLED),
    "progress": lambda lost: lost.save_progress(stage="predict", answered=7),
}


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES.keys())
def test_a_lost_attempt_changes_nothing_while_the_next_one_runs(write):
    lost, running = taken_over()
    before = Evaluation.objects.filter(pk=lost.pk).values().get()
    with pytest.raises(StatusConflict):
        write(lost)
    assert Evaluation.objects.filter(pk=lost.pk).values().get() == before
    assert (before["attempt"], before["worker"]) == (running.attempt, "quick")
    running.transition_to(Status.COMPLETED)


def test_a_lost_attempt_is_not_the_running_one():
    lost, running = taken_over()
    assert not Evaluation.objects.attempt_running(lost.pk, lost.attempt).exists()
    assert Evaluation.objects.attempt_running(lost.pk, running.attempt).exists()


def test_a_claim_loses_to_one_that_came_and_went_meanwhile():
    """Even when the other host's clock is behind, so that the row looks due."""
    evaluation = make_submission().latest

    def another_comes_and_goes():
        set_back_now(claim(evaluation.pk, "first"))
        Evaluation.objects.update(available_at=timezone.now() - timedelta(seconds=2))

    with between_look_and_update(another_comes_and_goes):
        assert claim(evaluation.pk, "second") is None
    evaluation.refresh_from_db()
    assert (evaluation.status, evaluation.attempt, evaluation.worker) == (Status.PENDING, 1, "first")


def test_a_claim_loses_to_a_cancel():
    submission = make_submission()
    with between_look_and_update(lambda: actions.cancel(submission=submission)):
        assert claim(submission.latest.pk, "w") is None
    assert (submission.latest.status, submission.latest.attempt) == (Status.CANCELLED, 0)


def test_a_cancel_that_meets_a_claim_cancels_the_run_and_the_try_counts():
    submission = make_submission()
    with between_look_and_update(lambda: claim(submission.latest.pk, "w")):
        actions.cancel(submission=submission)
    submission.refresh_from_db()
    assert (submission.latest.status, submission.latest.attempt) == (Status.CANCELLED, 1)
    assert submission.try_counts is True


def test_a_sweep_leaves_what_another_worker_took_meanwhile():
    lost = claim(make_submission().latest.pk, "slow")
    Evaluation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    def another_takes_it():
        set_back_now(Evaluation.objects.get(pk=lost.pk))
        claim(lost.pk, "quick")

    with between_look_and_update(another_takes_it):
        assert actions.sweep() == (0, 0)
    lost.refresh_from_db()
    assert (lost.status, lost.attempt, lost.worker, lost.failed_attempts) == (Status.RUNNING, 2, "quick", 1)


def test_a_release_leaves_what_another_worker_took_meanwhile():
    lost = claim(make_submission().latest.pk, "host/evaluations/7:8")

    def another_takes_it():
        set_back_now(Evaluation.objects.get(pk=lost.pk))
        claim(lost.pk, "host/evaluations/9:1")

    with between_look_and_update(another_takes_it):
        assert actions.release(worker="host/evaluations/7") == 0
    lost.refresh_from_db()
    assert (lost.status, lost.attempt, lost.worker) == (Status.RUNNING, 2, "host/evaluations/9:1")


@pytest.mark.parametrize(
    "other",
    ["host/evaluations/70:8", "host/evaluations/7", "other/host/evaluations/7:8", "hosts/evaluations/7:8"],
)
def test_a_release_leaves_the_work_of_workers_with_a_longer_name(other):
    theirs = claim(make_submission().latest.pk, other)
    mine = claim(make_submission().latest.pk, "host/evaluations/7:8")
    assert actions.release(worker="host/evaluations/7") == 1
    theirs.refresh_from_db()
    mine.refresh_from_db()
    assert (theirs.status, mine.status) == (Status.RUNNING, Status.PENDING)


@pytest.mark.parametrize("other", ["host%/7:8", "hostX/7:8"])
def test_a_workers_name_is_no_pattern(other):
    theirs = claim(make_submission().latest.pk, other)
    assert actions.release(worker="host_/7") == 0
    theirs.refresh_from_db()
    assert theirs.status == Status.RUNNING
