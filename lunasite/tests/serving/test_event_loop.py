"""A client that does not finish its sentence, its body or its refused body holds no thread."""

import select
import socket
import threading
import time

import pytest

from lunasite.serving import connection, drain_body, pace, streamed_body
from lunasite.serving.address_share import AddressShare
from lunasite.serving.connection import Sender
from lunasite.serving.event_loop import EventLoop
from lunasite.tests.serving.conftest import THREADS, get, post, received

SLOW = 10 * THREADS


def refuse(environ, start_response):
    """Answer 401 without a look at the body."""
    start_response("401 Unauthorized", [("Content-Length", "2")])
    return [b"no"]


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", post(1000, b"half"), post(1 << 30, b"half")],
    ids=["silent", "half a head", "half a body", "half a large body"],
)  # fmt: skip
def test_slow_clients_hold_no_thread(serve, sent):
    served = serve()
    slow = [served.connect(sent) for _ in range(SLOW)]
    assert served.ask(get()).startswith(b"HTTP/1.1 200")
    for client in slow:
        client.close()


def test_the_rest_of_a_refused_body_holds_no_thread(serve):
    served = serve(refuse, free_bytes=100, judge=lambda environ: Sender(100, is_known=False))
    slow = [served.connect(post(1 << 20, b"a little")) for _ in range(SLOW)]
    assert all(client.recv(12) == b"HTTP/1.1 401" for client in slow)
    assert served.ask(get()).startswith(b"HTTP/1.1 401")
    for client in slow:
        client.close()


@pytest.mark.slow
def test_a_client_that_does_not_take_its_answer_holds_no_thread(serve, monkeypatch):
    monkeypatch.setattr(connection, "MAX_OUTGOING", 5_000_000)

    def large(environ, start_response):
        start_response("200 OK", [("Content-Length", "5000000")] if environ["PATH_INFO"] == "/large" else [])
        return [bytes(5_000_000)] if environ["PATH_INFO"] == "/large" else [b"small"]

    served = serve(large)
    slow = []
    for _ in range(SLOW):
        client = socket.socket()
        client.connect(served.address)
        client.sendall(get("/large"))
        slow.append(client)
    assert b"small" in served.ask(get())
    assert all(len(received(client)) > 5_000_000 for client in slow)


class Pieces:
    """Forty megabytes in pieces; closed: how often it was closed."""

    may_change_threads = True

    def __init__(self, closed):
        self.left, self.closed = 640, closed

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return bytes([self.left % 256]) * 65_536

    def close(self):
        self.closed.append(1)


def pieces_or_small(closed):
    def application(environ, start_response):
        large = environ["PATH_INFO"] == "/large"
        start_response("200 OK", [("Content-Length", "41943040" if large else "5")])
        return Pieces(closed) if large else [b"small"]

    return application


def test_clients_that_take_a_large_file_slowly_hold_no_thread(serve):
    closed = []
    served = serve(pieces_or_small(closed))
    slow = []
    for _ in range(SLOW):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(served.address)
        client.sendall(get("/large"))
        assert client.recv(12) == b"HTTP/1.1 200"
        slow.append(client)
    for _ in range(3):
        assert b"small" in served.ask(get())
    assert closed == []
    for client in slow:
        client.close()
    deadline = time.monotonic() + 20
    while len(closed) < SLOW and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(closed) == SLOW  # no file stays open


def test_a_file_taken_in_steps_arrives_whole_and_the_connection_lives_on(serve):
    closed = []
    served = serve(pieces_or_small(closed))
    with served.connect(get("/large", closes=False)) as client:
        pieces = [client.recv(1 << 20)]  # the head comes in one packet with what follows it
        count = len(pieces[0].partition(b"\r\n\r\n")[2])
        while count < 41_943_040:
            pieces.append(client.recv(1 << 20))
            count += len(pieces[-1])
            time.sleep(0.001)
        client.sendall(get())
        assert b"small" in received(client)
    assert b"".join(pieces).partition(b"\r\n\r\n")[2] == b"".join(Pieces([]))
    assert closed == [1]


@pytest.mark.slow
def test_who_takes_a_paused_file_too_slowly_is_ended(serve, monkeypatch):
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.2)
    closed = []
    served = serve(pieces_or_small(closed))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(served.address)
    client.sendall(get("/large"))
    deadline = time.monotonic() + 20
    while not closed and time.monotonic() < deadline:
        time.sleep(0.05)
    assert closed == [1]
    client.close()


@pytest.mark.slow
def test_half_a_head_has_its_time(serve, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    assert serve().ask(b"GET / HTTP/1.1\r\n") == b""


@pytest.mark.slow
def test_a_body_that_drips_is_ended_with_408(serve, monkeypatch):
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.1)
    assert serve().ask(post(1000, b"half")).startswith(b"HTTP/1.1 408")


@pytest.mark.slow
def test_a_body_at_a_good_pace_outlives_the_grace(serve, monkeypatch):
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.1)
    served = serve()
    with served.connect(post(8 * 20_000, b"", "Connection: close")) as client:
        for _ in range(8):
            client.sendall(bytes(20_000))
            time.sleep(0.15)
        assert received(client).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_a_refused_body_that_drips_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(drain_body, "MAX_SECONDS", 0.1)
    served = serve(refuse, free_bytes=100, judge=lambda environ: Sender(100, is_known=False))
    assert served.ask(post(1000, b"half")).endswith(b"no")


def test_an_address_loses_the_oldest_that_waits_and_is_answered_on_the_newest(serve):
    served = serve(share=AddressShare(max_per_address=3))
    slow = [served.connect() for _ in range(3)]
    assert served.ask(get()).startswith(b"HTTP/1.1 200")
    assert slow[0].recv(1) == b""
    slow[2].sendall(get())
    assert slow[2].recv(12) == b"HTTP/1.1 200"


def test_who_sends_a_large_body_is_judged_by_its_head_and_hears_at_once(serve):
    judged = []

    def nothing(environ):
        judged.append(environ["HTTP_AUTHORIZATION"])
        return Sender(0, is_known=False)

    served = serve(refuse, free_bytes=100, judge=nothing)
    with served.connect(post(500_000_000, b"", "Authorization: none")) as client:
        assert client.recv(12) == b"HTTP/1.1 401"
    assert judged == ["none"]


def test_a_refused_caller_who_sends_all_the_same_still_reads_why(serve):
    served = serve(refuse, free_bytes=100, judge=lambda environ: Sender(0, is_known=False))
    assert served.ask(post(20_000_000, bytes(20_000_000))).endswith(b"no")


def test_a_known_sender_may_send_a_large_body(serve):
    served = serve(free_bytes=100, judge=lambda environ: Sender(10_000_000, is_known=True))
    answer = served.ask(post(3_000_000, b"x" * 3_000_000, "Connection: close"))
    assert answer.endswith(b"x" * 3_000_000)


def test_a_body_in_pieces_that_grows_too_large_is_refused(serve):
    served = serve(refuse, free_bytes=100, judge=lambda environ: Sender(2000, is_known=False))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served.connect(head + b"1000\r\n" + bytes(4096) + b"\r\n0\r\n\r\n") as client:
        assert client.recv(12) == b"HTTP/1.1 401"


def test_a_client_that_asks_whether_to_send_its_body_is_told(serve):
    served = serve()
    with served.connect(post(4, b"", "Expect: 100-continue", "Connection: close")) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(b"body")
        assert received(client).endswith(b"body")


def test_a_connection_is_kept_and_hurried_requests_are_answered_in_turn(serve):
    served = serve()
    answers = served.ask(post(1, b"a") + post(1, b"b") + get(closes=False) + post(1, b"c", "Connection: close"))
    assert [answers.count(body) for body in (b"\r\n\r\na", b"\r\n\r\nb", b"\r\n\r\nc")] == [1, 1, 1]
    assert answers.count(b"HTTP/1.1 200") == 4


def test_a_stopping_loop_ends_idle_connections_and_finishes_answers():
    is_asked, may_go = threading.Event(), threading.Event()

    def slow(environ, start_response):
        is_asked.set()
        may_go.wait(10)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = EventLoop([listener], slow, threads=1)
        idle, busy = (socket.create_connection(listener.getsockname(), timeout=10) for _ in range(2))
        busy.sendall(get(closes=False))
        while not is_asked.is_set():
            loop.turn(0.01)
        threading.Timer(0.2, may_go.set).start()
        loop.stop(5)
        assert received(idle) == b""
        assert received(busy).endswith(b"done")


def known(environ):
    return Sender(1 << 40, is_known=True)


@pytest.mark.slow
def test_a_fast_body_goes_to_a_thread_before_it_is_whole(serve, monkeypatch):
    begun = threading.Event()

    def echo(environ, start_response):
        begun.set()
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    monkeypatch.setattr(streamed_body, "SOON_SECONDS", 1000.0)
    served = serve(echo, free_bytes=100, judge=known)
    body = bytes(range(256)) * 40_000
    with served.connect(post(len(body), body[:5_000_000], "Connection: close")) as client:
        assert begun.wait(10)
        client.sendall(body[5_000_000:])
        assert received(client).endswith(b"\r\n\r\n" + body)


def test_a_connection_is_kept_after_a_streamed_body(serve, monkeypatch):
    monkeypatch.setattr(streamed_body, "SOON_SECONDS", 1000.0)
    served = serve(free_bytes=100, judge=known)
    body = b"x" * 6_000_000
    with served.connect(post(len(body), body)) as client:
        answer = b""
        while len(answer) < len(body):
            answer += client.recv(1 << 20)
        client.sendall(get())
        assert b"HTTP/1.1 200" in received(client)


@pytest.mark.slow
def test_half_of_the_threads_take_bodies_to_come_and_let_go_of_those_that_stall(serve, monkeypatch):
    monkeypatch.setattr(streamed_body, "SOON_SECONDS", 1000.0)
    monkeypatch.setattr(streamed_body, "STALL_SECONDS", 4.0)
    message = []

    def reads(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            message.append(str(error))
        start_response("200 OK", [("Content-Length", "0")])
        return []

    served = serve(reads, free_bytes=100, judge=known)
    slow = [served.connect(post(9_000_000, bytes(3_000_000))) for _ in range(SLOW)]
    time.sleep(0.3)
    assert served.ask(get()).startswith(b"HTTP/1.1 200")
    assert message == []  # it was answered while they were still waited for
    let_go = select.select(slow, [], [], 20)[0]
    assert let_go[0].recv(12) == b"HTTP/1.1 200"
    assert message[0] == "the client has stalled"
    for client in slow:
        client.close()


def test_an_unknown_senders_body_is_never_streamed(serve, monkeypatch):
    monkeypatch.setattr(streamed_body, "SOON_SECONDS", 1000.0)
    served = serve(free_bytes=100, judge=lambda environ: Sender(1 << 40, is_known=False))
    slow = [served.connect(post(9_000_000, bytes(3_000_000))) for _ in range(SLOW)]
    time.sleep(0.3)
    assert served.ask(get()).startswith(b"HTTP/1.1 200")
    assert len(served.message) == 1
    for client in slow:
        client.close()
