"""The heartbeat extends the lease in time, and no more often than that."""

import time

import pytest
from django.db import OperationalError

from submissions.actions import heartbeat
from submissions.actions.evaluate import claim
from submissions.actions.heartbeat import Heartbeat
from submissions.database_clock import database_now
from submissions.models import Evaluation
from submissions.tests.factories import make_submission

pytestmark = pytest.mark.slow


def heartbeats(evaluation: Evaluation, wait_s: float) -> set[object]:
    """Return the heartbeat times seen while the evaluation runs for a while."""
    seen, until = set(), time.monotonic() + wait_s
    with Heartbeat(evaluation) as beat:
        while time.monotonic() < until:
            seen.add(Evaluation.objects.values_list("heartbeat_at", flat=True).get())
            time.sleep(0.02)
        assert not beat.is_lost
    return seen


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("lease_s", "is_extended"), [(3600, False), (0.6, True)])
def test_the_lease_is_extended_after_a_third_of_it_and_not_at_every_look(settings, monkeypatch, lease_s, is_extended):
    settings.EVALUATION_LEASE_SECONDS = lease_s
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.05)
    evaluation = claim(make_submission().latest.pk, "w")
    seen = heartbeats(evaluation, wait_s=1.0)
    assert (len(seen) > 1) is is_extended
    assert len(seen) <= 6, "more often than every third of the lease"


@pytest.mark.django_db(transaction=True)
def test_a_lease_that_was_not_extended_is_once_the_database_answers(settings, monkeypatch):
    """Not a third of the lease later: two that were missed, and it would run out."""
    settings.EVALUATION_LEASE_SECONDS = 6
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.05)
    evaluation = claim(make_submission().latest.pk, "w")
    missed = []

    def away_at_first():
        if len(missed) < 4:
            missed.append(1)
            raise OperationalError("the database is away")
        return database_now()

    monkeypatch.setattr(heartbeat, "database_now", away_at_first)
    assert len(heartbeats(evaluation, wait_s=3.5)) == 2
    assert len(missed) == 4
