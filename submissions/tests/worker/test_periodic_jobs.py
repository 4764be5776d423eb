"""The jobs that workers share, one after the other."""

import threading

import pytest
from django.db import InterfaceError, OperationalError

from submissions.worker import periodic_jobs


def failing(error):
    def job():
        raise error

    return job


@pytest.mark.parametrize(
    "error", [KeyError("part"), ValueError("no such host"), OSError(28, "No space left on device")]
)
def test_a_job_that_always_fails_stops_no_other(monkeypatch, error):
    """Else no lost work would be swept any more for one row that a probe cannot read."""
    ran = []
    monkeypatch.setattr(periodic_jobs, "JOBS", (failing(error), lambda: ran.append("sweep")))
    periodic_jobs.run_due_jobs(threading.Event())
    assert ran == ["sweep"]


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")])
def test_with_the_database_away_none_is_tried_further(monkeypatch, error):
    monkeypatch.setattr(periodic_jobs, "JOBS", (failing(error), lambda: pytest.fail("tried")))
    with pytest.raises(type(error)):
        periodic_jobs.run_due_jobs(threading.Event())


def test_a_worker_that_ends_begins_no_other(monkeypatch):
    stopping = threading.Event()
    monkeypatch.setattr(periodic_jobs, "JOBS", (stopping.set, lambda: pytest.fail("begun")))
    periodic_jobs.run_due_jobs(stopping)
