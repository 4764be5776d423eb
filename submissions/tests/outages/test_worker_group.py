"""The messages between a worker group's processes: the gate, the clock of the queue, and no more of them than rows."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.actions.queue import CSV_CLUSTER, send_message
from submissions.models import Evaluation, PeriodicJob
from submissions.outages import broker, gate
from submissions.outages.broker import DatabaseClockBroker
from submissions.tests.factories import make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db
sweep = import_module("submissions.actions.sweep")  # the package exports a function of this name


@pytest.fixture
def own_gate(monkeypatch):
    monkeypatch.setattr(broker, "POLL_SHUT_S", 0.0)
    monkeypatch.setattr(Conf, "POLL", 0.0)
    gate.install()
    yield
    gate._gate = None


def queue():
    return DatabaseClockBroker(list_key=CSV_CLUSTER)


def test_while_the_gate_is_shut_no_message_is_taken(own_gate):
    make_submission()
    gate.set_shut(True)
    assert queue().dequeue() is None
    gate.set_shut(False)
    assert len(queue().dequeue()) == 1
    gate.stop()
    make_submission()
    assert queue().dequeue() is None


def test_a_message_of_a_host_whose_clock_is_ahead_is_free_at_once(own_gate, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: real_now() + timedelta(hours=1))
    monkeypatch.setattr(broker, "database_now", real_now)
    send_message(1, CSV_CLUSTER)
    assert OrmQ.objects.get().lock <= real_now()


real_now = timezone.now


def test_a_stopping_worker_gives_its_message_back_and_claims_nothing(own_gate):
    evaluation = make_submission().latest
    message = OrmQ.objects.get()
    message.delete()
    gate.stop()
    actions.work_on_message(evaluation_id=evaluation.pk, worker="w", run_image=None, probes=lambda cluster: [])
    assert (Evaluation.objects.get().status, OrmQ.objects.count()) == ("pending", 1)


@pytest.mark.slow
def test_a_backlog_gets_no_second_message_however_often_it_is_swept():
    user, phase = make_member(), make_phase()
    for _ in range(12):
        make_submission(user=user, phase=phase)
    taken = OrmQ.objects.order_by("pk").first()
    OrmQ.objects.filter(pk=taken.pk).update(lock=timezone.now() + timedelta(seconds=Conf.RETRY))
    Evaluation.objects.update(enqueued_at=timezone.now() - timedelta(hours=1))
    assert [actions.sweep() for _ in range(3)] == [(0, 0)] * 3
    assert OrmQ.objects.count() == 12


def test_messages_that_a_lost_worker_took_are_replaced_and_not_added_to():
    make_submission()
    lock = timezone.now() + timedelta(seconds=Conf.RETRY - 61)  # taken 61 s ago
    OrmQ.objects.update(lock=lock)
    assert actions.sweep() == (0, 1)
    assert OrmQ.objects.count() == 1


@pytest.mark.slow
def test_a_sweep_sends_no_more_than_a_batch(monkeypatch):
    monkeypatch.setattr(sweep, "BATCH", 3)
    user, phase = make_member(), make_phase()
    for _ in range(7):
        make_submission(user=user, phase=phase)
    OrmQ.objects.all().delete()
    assert [actions.sweep()[1] for _ in range(4)] == [3, 3, 1, 0]


def test_leases_that_ran_out_while_nobody_watched_are_extended_once():
    lost = claim(make_submission().latest.pk, "w")
    now = timezone.now()
    Evaluation.objects.update(lease_until=now - timedelta(seconds=1))
    PeriodicJob.objects.create(name=sweep.SWEEP, done_at=now - timedelta(seconds=40))
    assert sweep.grant_grace(now)
    assert actions.sweep()[0] == 0
    PeriodicJob.objects.update(done_at=now - timedelta(seconds=5))
    Evaluation.objects.update(lease_until=now - timedelta(seconds=1))
    assert not sweep.grant_grace(now)
    assert actions.sweep()[0] == 1
    lost.refresh_from_db()
    assert lost.failed_attempts == 1
