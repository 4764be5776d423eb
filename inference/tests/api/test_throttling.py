"""Limits hold exactly in one process, although most calls are not counted anew."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference.api import throttling
from inference.call_log import CallRecord
from inference.models import Prediction

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of_ann(django_user_model):
    throttling._grants.clear()
    return SimpleNamespace(user=django_user_model.objects.create_user("ann"))


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that stands still unless it is moved."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(throttling, "monotonic", lambda: clock.now)
    return clock


def limit(settings, rate):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"lesion": rate}}


def wait(request):
    return throttling.wait_s(request, throttling.LESION_ENDPOINTS)


def calls_let_through(request, most):
    """Call until refused, logging each call as a view does; return how many were let through."""
    for done in range(most):
        if wait(request) is not None:
            return done
        CallRecord.of(request, Prediction.Endpoint.LESION).save(200)
    return most


@pytest.mark.slow
def test_exactly_the_limit_is_let_through(request_of_ann, settings, clock):
    limit(settings, "200/min")
    assert calls_let_through(request_of_ann, 250) == 200


def test_most_calls_far_from_the_limit_count_nothing(request_of_ann, settings, clock):
    limit(settings, "6400/min")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        waits = [wait(request_of_ann) for _ in range(201)]
    assert waits == [None] * 201
    assert len(queries) == 1


def test_a_share_lapses_after_a_second(request_of_ann, settings, clock):
    limit(settings, "6400/min")
    wait(request_of_ann)
    clock.now += 1.1
    with CaptureQueriesContext(connection) as queries:
        wait(request_of_ann)
    assert len(queries) == 1


def test_what_other_processes_logged_counts(request_of_ann, settings, clock):
    limit(settings, "100/min")
    assert wait(request_of_ann) is None
    for _ in range(100):
        CallRecord.of(request_of_ann, Prediction.Endpoint.LESION).save(200)
    clock.now += 1.1
    assert 1 <= wait(request_of_ann) <= 60


def test_callers_cannot_fill_the_memory(settings, django_user_model, monkeypatch):
    limit(settings, "6400/min")
    monkeypatch.setattr(throttling, "MAX_GRANTS", 3)
    for number in range(5):
        wait(SimpleNamespace(user=django_user_model.objects.create_user(f"user{number}")))
    assert len(throttling._grants) <= 3


@pytest.mark.parametrize("code", ["FORBIDDEN", "TOO_MANY_REQUESTS"])
def test_a_refused_call_does_not_put_off_the_next(request_of_ann, settings, clock, code):
    limit(settings, "2/min")
    CallRecord.of(request_of_ann, Prediction.Endpoint.LESION).save(200)
    for _ in range(5):
        CallRecord.of(request_of_ann, Prediction.Endpoint.LESION).save(429, code)
    assert wait(request_of_ann) is None
