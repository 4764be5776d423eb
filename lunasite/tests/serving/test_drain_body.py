"""What is left of a refused body is thrown away within limits."""

import socket
import time

import pytest

from lunasite.serving import drain_body
from lunasite.serving.drain_body import DrainRequestBody


@pytest.fixture
def pair():
    client, server = socket.socketpair()
    server.setblocking(False)
    yield client, server
    client.close()
    server.close()


def test_takes_what_has_arrived_and_does_not_wait_for_more(pair):
    client, server = pair
    rest = DrainRequestBody(server, 1000)
    client.sendall(bytes(600))
    rest.take()
    assert not rest.is_done
    client.sendall(bytes(400))
    rest.take()
    assert rest.is_done


def test_a_client_that_hangs_up_is_done(pair):
    client, server = pair
    rest = DrainRequestBody(server, None)
    client.close()
    rest.take()
    assert rest.is_done


def test_nothing_left_is_done_at_once(pair):
    assert DrainRequestBody(pair[1], 0).is_done


def test_stops_after_its_bytes(pair, monkeypatch):
    monkeypatch.setattr(drain_body, "MAX_BYTES", 100)
    client, server = pair
    rest = DrainRequestBody(server, None)
    client.sendall(bytes(200))
    rest.take()
    assert rest.is_done


def test_has_its_time(pair):
    rest = DrainRequestBody(pair[1], 10)
    now = time.monotonic()
    assert not rest.is_late(now)
    assert rest.is_late(now + drain_body.MAX_SECONDS + 1)
