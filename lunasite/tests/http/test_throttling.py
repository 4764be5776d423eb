"""Rate limits hold exactly, for each network of a caller (T84)."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, connections
from django.test import Client

from inference.api import throttling as prediction_throttling
from inference.model_service import engine
from inference.models import Feedback
from inference.slice_classes import SLICE_CLASSES
from inference.tests.conftest import picture_file
from lunasite.http import client_address as addresses
from lunasite.http.client_address import client_network
from lunasite.http.limits.throttling import MAX_TIMES, seconds_to_wait, take
from lunasite.http.models import CallCount
from lunasite.monitoring.parts import proxy

RIGHT = {"predicted_class": SLICE_CLASSES[0], "is_correct": "true"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_120_calls_at_once_exactly_60_pass():
    def one(number):
        try:
            return seconds_to_wait("feedback x", 60, 600.0, 1000.0 + number / 1000)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(one, range(120)))
    assert waits.count(None) == 60


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_120_calls_at_4_processes_exactly_60_pass():
    connections.close_all()  # the children fork: they must not share a connection
    work = get_context("fork")
    passed = work.Value("i", 0)
    processes = [work.Process(target=call_30_times, args=(passed,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert ([process.exitcode for process in processes], passed.value) == ([0] * 4, 60)


def call_30_times(passed):
    """Call as a process of a web server does, in threads."""
    user = SimpleNamespace(is_authenticated=True, pk=7)

    def one(_):
        try:
            return prediction_throttling.wait_s(SimpleNamespace(user=user), prediction_throttling.SLICE_ENDPOINTS)
        finally:
            connections.close_all()

    with patch.dict(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], slice="60/hour"), ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(one, range(30)))
    with passed.get_lock():
        passed.value += waits.count(None)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("/predict", "slice"),
        ("/api/v1/predict/ct", "slice"),
        ("/try/slice", "slice"),
        ("/api/v1/auth/token", "token"),
        ("/api/v1/feedback", "feedback"),
    ],
)
def test_of_120_requests_at_once_exactly_60_pass(monkeypatch, address, scope):
    monkeypatch.setitem(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], scope, "60/hour")
    monkeypatch.setattr("rest_framework.throttling.ScopedRateThrottle.THROTTLE_RATES", {scope: "60/hour"})

    def one(_):
        try:
            return Client().post(address).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        counts = Counter(pool.map(one, range(120)))
    assert counts == {400: 60, 429: 60}


def wait_until_the_pictures_are_drawn():
    """Wait for the model process, which also draws pictures anew: on a busy machine it begins late."""
    deadline = time.monotonic() + 120
    while not engine().status().all_loaded:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_120_feedbacks_at_once_exactly_60_are_taken(settings, tmp_path, monkeypatch):
    settings.FEEDBACK_DIR = tmp_path
    wait_until_the_pictures_are_drawn()
    # An hour, so that a slow machine does not reach the next window.
    monkeypatch.setattr("rest_framework.throttling.ScopedRateThrottle.THROTTLE_RATES", {"feedback": "60/hour"})

    def one(number):
        try:
            return Client().post("/feedback", {**RIGHT, "file": picture_file()}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(one, range(120)))
    counts = Counter(statuses)
    # The model process that draws the pictures anew may be busy or late; such a call has passed the limit.
    assert (counts[429], counts[200] + counts[503] + counts[504]) == (60, 60)
    assert 0 < Feedback.objects.count() == counts[200]


@pytest.mark.django_db
class TestTheWindow:
    def test_slides(self):
        for at in (0.0, 30.0):
            assert seconds_to_wait("k", 2, 60.0, at) is None
        assert seconds_to_wait("k", 2, 60.0, 59.0) == 1.0
        assert seconds_to_wait("k", 2, 60.0, 60.5) is None
        assert seconds_to_wait("k", 2, 60.0, 61.0) == 29.0

    def test_counts_no_refused_call(self):
        for at in range(10):
            seconds_to_wait("k", 1, 5.0, float(at))
        assert CallCount.objects.get().times == [[5.0, 1]]

    @pytest.mark.slow
    def test_of_a_high_rate_holds_few_times_and_never_more_calls_than_the_rate(self):
        made = [at / 100 for at in range(12_000) if seconds_to_wait("k", 1000, 60.0, at / 100) is None]
        assert len(CallCount.objects.get().times) <= MAX_TIMES + 1
        assert all(late - early >= 60 for early, late in zip(made, made[1000:], strict=False))
        assert len(made) >= 1980

    def test_calls_given_back_are_there_again(self):
        first = take("k", 3, 60.0, 0.0, most=3, within_s=1.0)
        assert (first.taken, first.at, first.left) == (3, 1.0, 0)
        assert take("k", 3, 60.0, 2.0).wait_s == 59.0
        assert take("k", 3, 60.0, 2.0, given_back=(first.at, 2)).left == 1

    def test_begins_anew_where_another_process_made_the_row_and_forgot_it(self, monkeypatch):
        """As when two pages of a person are computed at once, and the first is done when the second looks."""
        create, refused = CallCount.objects.create, []

        def beaten_once(**fields):
            if not refused:
                refused.append(fields)
                raise IntegrityError
            return create(**fields)

        monkeypatch.setattr(CallCount.objects, "create", beaten_once)
        assert seconds_to_wait("k", 1, 60.0, 0.0) is None
        assert seconds_to_wait("k", 1, 60.0, 1.0) == 59.0

    def test_forgets_callers_whose_calls_are_past(self):
        seconds_to_wait("old", 5, 60.0, 0.0)
        seconds_to_wait("new", 5, 60.0, 61.0)
        assert list(CallCount.objects.values_list("key", flat=True)) == ["new"]


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("unix", "unix"),
        ("192.0.2.7:53211", "192.0.2.7"),
        ("[2001:db8:1:2::6]:443", "2001:db8:1:2::"),
        ("[2001:db8:1:2::6]", "2001:db8:1:2::"),
    ],
)
def test_a_subscriber_counts_as_one(rf, address, counted_as):
    assert client_network(rf.get("/", REMOTE_ADDR=address)) == counted_as


class TestAnUnexpectedProxy:
    @pytest.fixture(autouse=True)
    def nothing_said(self, monkeypatch):
        monkeypatch.setattr(addresses, "_said_at", [])
        cache.clear()

    def test_is_reported_once_and_by_ready(self, rf, caplog):
        assert proxy().is_ok
        for _ in range(3):
            client_network(rf.get("/", HTTP_X_FORWARDED_FOR="192.0.2.1", REMOTE_ADDR="10.0.0.1"))
        assert not proxy().is_ok
        assert "PROXY_COUNT is 0" in proxy().note
        assert caplog.text.count("X-Forwarded-For arrives") == 1

    def test_is_none_where_proxies_are_counted(self, rf, settings):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
        client_network(rf.get("/", HTTP_X_FORWARDED_FOR="192.0.2.1", REMOTE_ADDR="10.0.0.1"))
        assert proxy().is_ok
