"""Limits hold exactly, although a fast caller's calls are counted several at a time."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference.api import throttling
from lunasite.http.limits.throttling import key_of, take
from lunasite.http.models import CallCount

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of_ann(django_user_model):
    throttling._grants.clear()
    return SimpleNamespace(user=django_user_model.objects.create_user("ann"))


@pytest.fixture
def clock(monkeypatch):
    """Clocks that stand still unless they are moved."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(throttling, "monotonic", lambda: clock.now)
    monkeypatch.setattr(throttling.time, "time", lambda: clock.now)
    return clock


def limit(settings, rate):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"lesion": rate}}


def wait(request):
    return throttling.wait_s(request, throttling.LESION_ENDPOINTS)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [60, 200, 600])
def test_exactly_the_limit_is_let_through(request_of_ann, settings, clock, rate):
    limit(settings, f"{rate}/min")
    assert [wait(request_of_ann) for _ in range(rate + 50)].count(None) == rate


def test_most_calls_of_a_fast_caller_count_nothing(request_of_ann, settings, clock):
    limit(settings, "6400/min")
    with CaptureQueriesContext(connection) as queries:
        waits = [wait(request_of_ann) for _ in range(255)]
    assert waits == [None] * 255
    writes = [query for query in queries if query["sql"].startswith("UPDATE")]
    assert len(writes) == 8  # of 1, 2, 4, … 128 calls


@pytest.mark.slow
def test_whoever_calls_now_and_then_gets_all_calls(request_of_ann, settings, clock):
    limit(settings, "600/min")
    let_through = 0
    for _ in range(30):
        let_through += [wait(request_of_ann) for _ in range(25)].count(None)
        clock.now += 1.9
    assert let_through == 600


def test_what_was_not_called_within_a_second_is_given_back(request_of_ann, settings, clock):
    limit(settings, "6400/min")
    for _ in range(4):  # of 1, 2 and 4 that were counted
        wait(request_of_ann)
    assert sum(number for _, number in CallCount.objects.get().times) == 7
    clock.now += 1.1
    wait(request_of_ann)
    assert sum(number for _, number in CallCount.objects.get().times) == 5


@pytest.mark.slow
def test_no_minute_holds_more_calls_than_the_rate(request_of_ann, settings, clock):
    """Also where calls were counted before they are made."""
    limit(settings, "600/min")
    made = []
    for _ in range(2600):
        clock.now += 0.05
        if wait(request_of_ann) is None:
            made.append(clock.now)
    assert len(made) > 1100
    assert all(late - early >= 60 for early, late in zip(made, made[600:], strict=False))


def test_what_other_processes_counted_counts(request_of_ann, settings, clock):
    limit(settings, "100/min")
    take(key_of("lesion", f"user:{request_of_ann.user.pk}"), 100, 60.0, clock.now, most=99)
    assert wait(request_of_ann) is None
    assert 59 <= wait(request_of_ann) <= 60


def test_callers_cannot_fill_the_memory(settings, django_user_model, monkeypatch):
    limit(settings, "6400/min")
    monkeypatch.setattr(throttling, "MAX_GRANTS", 3)
    for number in range(5):
        wait(SimpleNamespace(user=django_user_model.objects.create_user(f"user{number}")))
    assert len(throttling._grants) <= 3


def test_a_refused_call_does_not_put_off_the_next(request_of_ann, settings, clock):
    limit(settings, "2/min")
    assert [wait(request_of_ann) for _ in range(5)].count(None) == 2
    clock.now += 60.1
    assert wait(request_of_ann) is None
