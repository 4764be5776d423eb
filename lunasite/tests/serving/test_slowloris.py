"""A client that does not finish its sentence holds no thread."""

import io
import socket
from types import SimpleNamespace

import pytest
from gunicorn.workers import gthread

from lunasite.serving import slowloris
from lunasite.serving.slowloris import HEAD_BYTES, asks_again, head_is_here, later


@pytest.fixture
def pair():
    client, server = socket.socketpair()
    yield client, server
    client.close()
    server.close()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nA: b\r\n\r\nbody", b"x" * HEAD_BYTES])
def test_a_whole_or_overlong_head_is_for_the_parser(pair, sent: bytes):
    client, server = pair
    client.sendall(sent)
    assert head_is_here(server)
    assert server.recv(HEAD_BYTES) == sent


def test_a_closed_connection_is_for_the_parser(pair):
    client, server = pair
    client.close()
    assert head_is_here(server)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: "])
def test_half_a_head_is_not_waited_for(pair, sent: bytes):
    client, server = pair
    client.sendall(sent)
    assert not head_is_here(server)


def test_a_head_in_pieces_is_taken_when_it_is_whole(pair):
    client, server = pair
    client.sendall(b"GET / HTTP/1.1\r\n")
    assert not head_is_here(server)
    client.sendall(b"Host: x\r\n\r\n")
    assert head_is_here(server)


def test_a_connection_comes_back_until_its_time_is_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slowloris, "HEAD_SECONDS", 0.05)
    conn, answers = SimpleNamespace(), []
    while len(answers) < 20 and (not answers or answers[-1] is gthread._DEFER):
        answers.append(later(conn))
    assert answers[0] is gthread._DEFER
    assert answers[-1] is False


def connection(sock, read_ahead=b""):
    unreader = SimpleNamespace(buf=io.BytesIO(read_ahead))
    return SimpleNamespace(sock=sock, parser=SimpleNamespace(unreader=unreader))


def test_a_client_that_asks_again_at_once_is_heard_where_it_is(pair):
    client, server = pair
    assert not asks_again(connection(server))
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert asks_again(connection(server))


def test_half_a_next_request_goes_back_to_those_that_wait(pair):
    client, server = pair
    client.sendall(b"GET / HTTP/1.1\r\n")
    assert not asks_again(connection(server))


def test_what_the_parser_has_read_ahead_is_its_own(pair):
    _, server = pair
    assert not asks_again(connection(server, b"GET / HTTP/1.1\r\n\r\n"))
