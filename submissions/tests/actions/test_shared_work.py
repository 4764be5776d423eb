"""What workers share: chores that one of them does, messages that are sent again when due, a busy database."""

from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone
from django_q.models import OrmQ

from submissions import actions
from submissions.actions import db_retry
from submissions.models import Evaluation
from submissions.models.worker import PeriodicJob
from submissions.tests.factories import make_submission


@pytest.mark.django_db
def test_a_chore_is_done_by_one_worker_each_time_it_is_due():
    def take():
        return PeriodicJob.acquire("sweep", every_s=60)

    assert [take(), take(), take()] == [True, False, False]
    PeriodicJob.objects.update(done_at=timezone.now() - timedelta(seconds=59))
    assert take() is False
    PeriodicJob.objects.update(done_at=timezone.now() - timedelta(seconds=61))
    assert [take(), take()] == [True, False]
    assert PeriodicJob.acquire("another", every_s=60) is True


@pytest.mark.django_db
def test_what_is_not_due_yet_gets_no_message():
    evaluation = make_submission().latest
    OrmQ.objects.all().delete()
    rows = Evaluation.objects.filter(pk=evaluation.pk)
    rows.update(enqueued_at=None, available_at=timezone.now() + timedelta(seconds=30))
    assert actions.sweep() == (0, 0)
    rows.update(available_at=timezone.now())
    assert actions.sweep() == (0, 1)
    assert OrmQ.objects.count() == 1


@pytest.fixture
def slept(monkeypatch):
    pauses = []
    monkeypatch.setattr(db_retry.time, "sleep", pauses.append)
    return pauses


def busy(times):
    """Return (a transaction that the database refuses so often, its runs)."""
    runs = []

    def run():
        runs.append(len(runs) + 1)
        if len(runs) <= times:
            raise OperationalError("database is locked")
        return "done"

    return run, runs


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_busy_database_is_asked_again_after_longer_and_longer_pauses(slept, times):
    run, runs = busy(times)
    assert db_retry.retry_on_deadlock(run) == "done"
    assert len(runs) == times + 1
    assert len(slept) == times
    assert all(0.05 * number <= pause <= 0.3 * number for number, pause in enumerate(slept, 1))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_busy_is_given_up_after_three_runs(slept):
    run, runs = busy(9)
    with pytest.raises(OperationalError):
        db_retry.retry_on_deadlock(run)
    assert (len(runs), len(slept)) == (3, 2)


@pytest.mark.django_db
def test_inside_a_larger_transaction_nothing_is_repeated_alone(slept):
    run, runs = busy(1)
    with pytest.raises(OperationalError), transaction.atomic():
        db_retry.retry_on_deadlock(run)
    assert (len(runs), slept) == (1, [])
