"""A database, or a Redis, that hangs is given up on in time, and comes back by itself."""

import socket
import time

import pytest
from django.db import OperationalError, connection

from lunasite.cache import FallbackRedisCache
from lunasite.database import base
from lunasite.database.timeouts import postgres_timeouts


@pytest.fixture
def impatient(monkeypatch):
    """A connection that waits 0.5 s for an answer."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "answer_seconds", 0.5)
    connection.close()
    yield
    connection.close()
    monkeypatch.setattr(base, "_refused_until", 0.0)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_an_answer_that_does_not_come_is_given_up_on(impatient):
    started = time.monotonic()
    with pytest.raises(OperationalError, match=r"did not answer within 0\.5 s"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    assert time.monotonic() - started < 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_after_that_queries_fail_at_once_for_a_moment_and_then_work_again(impatient):
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    connection.close()
    started = time.monotonic()
    with pytest.raises(OperationalError, match="a moment ago"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert time.monotonic() - started < 0.45  # less than an answer may take
    time.sleep(base.REFUSED_FOR_S)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_only_processes_with_a_limit_tell_the_server_of_one():
    assert "options" not in postgres_timeouts(0)
    options = postgres_timeouts(3.5)
    assert options["options"] == "-c statement_timeout=3150 -c lock_timeout=3150"
    assert {"connect_timeout", "keepalives_idle", "tcp_user_timeout"} < options.keys()


@pytest.fixture
def hanging_redis():
    """A server that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(20)
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture(params=["refused", "hanging"])
def away(request, settings, monkeypatch):
    """Set the site's cache to a Redis that is away."""
    monkeypatch.setattr(FallbackRedisCache, "away_until", 0.0)
    location = "redis://127.0.0.1:9/0" if request.param == "refused" else request.getfixturevalue("hanging_redis")
    options = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3}
    settings.CACHES = {"default": {"BACKEND": "lunasite.cache.FallbackRedisCache", "LOCATION": location,
                                   "OPTIONS": options}}  # fmt: skip


def test_while_redis_is_away_each_process_counts_for_itself(away):
    from django.core.cache import cache

    started = time.monotonic()
    assert cache.get("nothing") is None
    cache.set("calls", 1, 60)
    assert cache.incr("calls") == 2
    assert cache.get_many(["calls"]) == {"calls": 2}
    assert time.monotonic() - started < 2, "each call waited"


@pytest.mark.django_db
@pytest.mark.slow
def test_while_redis_is_away_throttled_addresses_answer_and_ready_says_so(away, client):
    answer = client.post("/api/v1/auth/token", {"username": "nobody", "password": "wrong"})
    assert answer.status_code in (400, 401)
    ready = client.get("/ready").content.decode()
    assert "cache: WARNING, Redis does not answer; throttles count in each process" in ready
