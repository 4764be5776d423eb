"""The driver's HTTP client against servers that keep, bend and break the rules, on loopback."""

import base64
import contextlib
import json
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from submissions.runner.driver import calling
from submissions.runner.driver.connection import CallFault, Connection
from submissions.runner.driver.description import described_calls
from submissions.runner.driver.ports import MAX_PORTS

REQUEST = [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"]


def read_request(sock):
    """Return one whole request, b"" at the end of the connection."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
        head, found, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if found and len(body) >= int(length[1] if length else 0):
            return data
    return b""


class Server:
    """Sends the next script to each request it reads; None keeps silent; closes after `closes` requests."""

    def __init__(self, *scripts, closes=()):
        self.scripts, self.closes, self.connections = list(scripts), set(closes), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        served = 0
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with sock:
                while self.scripts and self._asked(sock):
                    script, served = self.scripts.pop(0), served + 1
                    with contextlib.suppress(OSError):  # the driver leaves once its time is up
                        for piece in script or [b""]:
                            sock.sendall(piece) if isinstance(piece, bytes) else time.sleep(piece)
                    if script is None:
                        time.sleep(5)
                    if served in self.closes:
                        break

    def _asked(self, sock):
        with contextlib.suppress(ConnectionResetError):  # the driver left with something unread
            return read_request(sock)

    def close(self):
        self.listener.close()


@pytest.fixture
def serve():
    servers = []

    def start(*scripts, **options):
        servers.append(Server(*scripts, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ask(server, *, limit=1000, timeout_s=2.0):
    return Connection("127.0.0.1", server.port, limit).request(REQUEST, timeout_s)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("pieces", "status", "body"),
    [
        ([OK], 200, b"hi"),
        ([OK[:20], 0.05, OK[20:]], 200, b"hi"),  # split anywhere
        ([b"HTTP/1.1 100 Continue\r\n\r\n" + OK], 200, b"hi"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n!!!\r\n0\r\nT: v\r\n\r\n"],
            200,
            b"hi!!!",
        ),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"], 200, b"hi"),
        ([OK + b"\r\n"], 200, b"hi"),
        ([b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"], 307, b""),
    ],
)
def test_answers_are_read_as_they_are(serve, pieces, status, body):
    response = ask(serve(pieces))
    assert (response.status, response.body) == (status, body)


def test_a_body_without_length_ends_with_the_connection(serve):
    server = serve([b"HTTP/1.0 200 OK\r\n\r\nhi"], closes=[1])
    assert ask(server).body == b"hi"


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"], "RESPONSE_TOO_LARGE"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n"], "RESPONSE_TOO_LARGE"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000], "RESPONSE_HEADERS_TOO_LARGE"),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000], "RESPONSE_TOO_LARGE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\nhi!"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nhi"], "BAD_RESPONSE"),
        ([OK + OK], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: \xc2\xb2\r\n\r\n"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 2\r\n\r\nhi"], "BAD_RESPONSE"),
        ([b"HTTP/9 hello\r\n\r\n"], "BAD_RESPONSE"),
        ([b"\r\n\r\n"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 200"], "BAD_RESPONSE"),
        ([b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n"], "BAD_RESPONSE"),
        ([b""], "BAD_RESPONSE"),
    ],
)
def test_broken_answers_have_a_code(serve, pieces, code):
    with pytest.raises(CallFault) as caught:
        ask(serve(pieces, closes=[1]))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "pieces",
    [None, [b"H", 0.2] * 20, [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", *([b"x", 0.1] * 20)]],
    ids=["silent", "drips the head", "drips the body"],
)
@pytest.mark.slow
def test_the_deadline_holds_however_the_bytes_drip(serve, pieces):
    started = time.monotonic()
    with pytest.raises(CallFault) as caught:
        Connection("127.0.0.1", serve(pieces).port, 1000).request(REQUEST, 0.4)
    assert caught.value.code in ("PREDICT_TIMEOUT", "BAD_RESPONSE")
    assert time.monotonic() - started < 1.8


def test_a_line_among_chunks_is_bounded(serve):
    """Else one that never ends would fill the driver's memory until the deadline."""
    endless = [b"1;" + b"x" * 70_000, *([0.1, b"x"] * 20)]
    with pytest.raises(CallFault, match="BAD_RESPONSE: broken chunks"):
        ask(serve([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *endless]), timeout_s=1.0)


def test_one_connection_serves_many_calls(serve):
    server = serve([OK], [OK], [OK])
    connection = Connection("127.0.0.1", server.port, 1000)
    assert [connection.request(REQUEST, 1).body for _ in range(3)] == [b"hi"] * 3
    assert server.connections == 1


def test_a_kept_connection_that_went_stale_is_opened_anew(serve):
    server = serve([OK], [OK], closes=[1])
    connection = Connection("127.0.0.1", server.port, 1000)
    assert [connection.request(REQUEST, 1).body for _ in range(2)] == [b"hi"] * 2
    assert server.connections == 2


FAKE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake"


@pytest.mark.parametrize("late", [b"\r\n" + FAKE, FAKE, b"x"])
def test_an_answer_that_comes_late_is_one_too_many(serve, late):
    server = serve([OK, 0.05, late], [OK])
    connection = Connection("127.0.0.1", server.port, 1000)
    assert connection.request(REQUEST, 1).body == b"hi"
    time.sleep(0.2)
    with pytest.raises(CallFault, match="BAD_RESPONSE"):
        connection.request(REQUEST, 1)


@pytest.mark.parametrize(
    "late", [b"\r\n", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.0 408 Late"]
)
@pytest.mark.slow
def test_a_server_may_say_that_it_closes_an_idle_connection(serve, late):
    server = serve([OK, 0.05, late], [OK], closes=[1])
    connection = Connection("127.0.0.1", server.port, 1000)
    first = connection.request(REQUEST, 1).body
    time.sleep(0.2)
    assert (first, connection.request(REQUEST, 1).body) == (b"hi", b"hi")


def test_an_answer_too_many_after_the_last_call_is_noticed(serve, tmp_path):
    events = events_of(plan(serve([OK], [OK + FAKE]).port, tmp_path, count=1))
    assert [event["event"] for event in events] == ["up", "ready", "fault", "done"]


def test_the_deadline_holds_in_a_body_of_tiny_chunks(serve):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve([head + b"1\r\nx\r\n" * 5_000_000])  # for a minute and more
    started = time.monotonic()
    with pytest.raises(CallFault, match="PREDICT_TIMEOUT"):
        Connection("127.0.0.1", server.port, 1 << 23).request(REQUEST, 0.3)
    assert time.monotonic() - started < 3


def plan(port, folder, count=3, **changes):
    image = folder / "scan.mha"
    image.write_bytes(b"voxels")
    octets = "application/octet-stream"
    calls = [
        {"number": n, "file_name": f"u{n}.mha", "content_type": octets, "fields": {"lesionID": str(n)}}
        for n in range(count)
    ]
    base = {
        "port": port,
        "path": "/p",
        "authorization": "",
        "file_field": "image",
        "boundary": "bbb",
        "startup_s": 2,
        "predict_timeout_s": 1,
        "parallel": 1,
        "response_bytes": 1000,
        "shown_bytes": 0,
        "groups": [{"file": str(image), "calls": calls}],
    }
    path = folder / "plan.json"
    path.write_text(json.dumps(base | changes))
    return str(path)


def events_of(plan_path):
    events = []
    calling.carry_out(plan_path, events.append)
    return events


def test_a_plan_ends_in_one_event_a_call(serve, tmp_path):
    events = events_of(plan(serve([OK], [OK], [OK], [OK], closes=[1]).port, tmp_path))
    assert [event["event"] for event in events] == ["up", "ready", "answer", "answer", "answer", "done"]
    assert [event["number"] for event in events if event["event"] == "answer"] == [0, 1, 2]


@pytest.mark.slow
def test_a_server_of_one_connection_at_a_time_serves_every_lane(serve, tmp_path):
    """The connections of two lanes wait behind the first, which it would keep for ever."""
    server = serve(*[[0.02, OK]] * 500, closes=[1])
    planned = json.loads(Path(plan(server.port, tmp_path, count=40, predict_timeout_s=1)).read_text())
    group = planned["groups"][0]
    planned |= {"parallel": 3, "groups": [group | {"calls": [call]} for call in group["calls"] * 2]}
    events = []

    calling.Caller(planned, events.append).run()

    assert {event["event"] for event in events} == {"answer"}
    assert len(events) == 80
    assert server.connections < 20


def test_no_more_lanes_are_started_than_there_are_groups(serve, tmp_path, monkeypatch):
    started = []

    class Counted(threading.Thread):
        def start(self):
            started.append(self)
            super().start()

    server = serve(*[[OK]] * 3)
    planned = json.loads(Path(plan(server.port, tmp_path, parallel=64)).read_text())
    group = planned["groups"][0]
    planned["groups"] = [group | {"calls": [call]} for call in group["calls"]]
    monkeypatch.setattr(calling.threading, "Thread", Counted)
    events = []
    calling.Caller(planned, events.append).run()
    assert len(started) == 3
    assert [event["event"] for event in events] == ["answer"] * 3


def test_the_first_fault_stops_the_plan(serve, tmp_path):
    bad = [b"HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nsecret"]
    events = events_of(plan(serve([OK], bad, closes=[1]).port, tmp_path))
    assert [event["event"] for event in events] == ["up", "ready", "fault", "done"]
    assert events[2]["code"] == "BAD_RESPONSE"
    assert "secret" not in json.dumps(events)


def test_a_server_that_comes_late_is_noticed_within_a_tenth_of_a_second(tmp_path):
    # A busy machine may stop either side for longer, but not each time.
    assert any(noticed_after_s(tmp_path / str(number)) < 0.1 for number in range(5))


def noticed_after_s(folder):
    """Return how long after a server begins to listen it is noticed."""
    folder.mkdir()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    events, moment = [], []

    def late():
        time.sleep(0.4)
        with socket.create_server(("127.0.0.1", port)) as server:
            moment.append(time.monotonic())
            sock, _ = server.accept()
            sock.recv(1000)
            sock.sendall(OK)

    thread = threading.Thread(target=late)
    thread.start()
    calling.wait_until_ready(json.loads(Path(plan(port, folder)).read_text()), events.append)
    noticed = time.monotonic()
    thread.join()
    return noticed - moment[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000],  # a page larger than an answer may be
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi"],
        [b"HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\n\r\n"],
    ],
)
def test_any_answer_is_ready(serve, tmp_path, pieces):
    server = serve(pieces, closes=[1])
    assert calling.wait_until_ready(json.loads(Path(plan(server.port, tmp_path)).read_text()), print)


@pytest.mark.slow
def test_a_server_that_thinks_before_each_answer_is_ready(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(calling, "READY_CALL_S", 0.1)
    slow = [0.25, OK]
    server = serve(*[slow] * 9, closes=range(9))
    assert calling.wait_until_ready(json.loads(Path(plan(server.port, tmp_path, startup_s=3)).read_text()), print)


def test_a_server_between_two_of_its_workers_gets_a_moment(tmp_path, monkeypatch):
    """The first answer takes the listener away for a while, as a worker that is replaced does."""
    monkeypatch.setattr(calling, "UNREACHED_PATIENCE_S", 30.0)  # on a busy machine 0.2 s may take a second
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def answer_one(server):
        sock, _ = server.accept()
        server.close()  # before the answer: a call that comes at once would wait in its queue, and be reset
        with sock:
            read_request(sock)
            sock.sendall(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))

    def serve_with_a_pause():
        answer_one(listener)
        time.sleep(0.2)
        answer_one(socket.create_server(("127.0.0.1", port)))

    thread = threading.Thread(target=serve_with_a_pause, daemon=True)
    thread.start()
    events = []
    calling.Caller(
        json.loads(Path(plan(port, tmp_path, count=2, predict_timeout_s=60)).read_text()), events.append
    ).run()
    thread.join(10)
    assert [event["event"] for event in events] == ["answer", "answer"]


def test_nobody_listening_is_a_bad_response_once_patience_ends(tmp_path):
    events = []
    calling.Caller(json.loads(Path(plan(1, tmp_path, predict_timeout_s=0.3)).read_text()), events.append).run()
    assert [(event["event"], event["code"]) for event in events] == [("fault", "BAD_RESPONSE")]


def test_nobody_listening_is_not_ready(tmp_path):
    events = events_of(plan(1, tmp_path, startup_s=0.2))
    assert [event["event"] for event in events if event["event"] != "listening"] == ["up", "fault", "done"]
    assert events[-2]["code"] == "NOT_READY"


def test_the_ports_that_are_listened_on_are_told_while_the_called_one_is_not(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        events = events_of(plan(1, tmp_path, startup_s=0.3))
        message = [event["ports"] for event in events if event["event"] == "listening"]
        port = other.getsockname()[1]
    # This machine's own ports are listed too; of very many only the first are told.
    assert any(port in ports or len(ports) == MAX_PORTS for ports in message)


def test_an_answer_that_is_not_200_is_shown_as_far_as_the_plan_says(serve, tmp_path):
    bad = [b"HTTP/1.1 422 No\r\nContent-Length: 6\r\n\r\nsecret"]
    events = events_of(plan(serve([OK], bad, closes=[1]).port, tmp_path, shown_bytes=4))
    fault = next(event for event in events if event["event"] == "fault")
    assert (fault["status"], base64.b64decode(fault["body"])) == (422, b"secr")


def test_the_request_is_a_multipart_form(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    received = []

    def take():
        for _ in range(2):
            sock, _ = listener.accept()
            received.append(read_request(sock))
            sock.sendall(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
            sock.close()

    thread = threading.Thread(target=take)
    thread.start()
    events_of(plan(listener.getsockname()[1], tmp_path, count=1, authorization="Authorization: Bearer t\r\n"))
    thread.join()
    listener.close()
    head, _, body = received[1].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /p HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer t" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'name="lesionID"\r\n\r\n0\r\n' in body
    assert b'name="image"; filename="u0.mha"\r\n' in body
    assert body.endswith(b"\r\n\r\nvoxels\r\n--bbb--\r\n")


def openapi(path="/predict", **changes):
    """What FastAPI 0.115 serves for `def predict(image: UploadFile, CoordX: float = Form(), note: str = Form(""))`."""
    properties = {
        "image": {"type": "string", "format": "binary", "title": "Image"},
        "CoordX": {"type": "number", "title": "Coordx"},
        "note": {"type": "string", "title": "Note", "default": ""},
    }
    body = {"properties": properties, "type": "object", "required": ["image", "CoordX"], "title": "Body"} | changes
    content = {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Body"}}}
    post = {"summary": "Predict", "requestBody": {"content": content, "required": True}}
    paths = {"/health": {"get": {"summary": "Health"}}, path: {"post": post}}
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": {"Body": body}}}


TAKEN = {"path": "/predict", "file": "image", "fields": ["CoordX"], "others": ["note"], "takes_more": True}


def test_the_calls_that_a_service_describes_are_read():
    assert described_calls(json.dumps(openapi()).encode()) == [TAKEN]
    closed = openapi(additionalProperties=False)
    assert described_calls(json.dumps(closed).encode()) == [TAKEN | {"takes_more": False}]
    newer = openapi()["components"]["schemas"]["Body"]["properties"] | {
        "image": {"type": "string", "contentMediaType": "application/octet-stream"}
    }
    assert described_calls(json.dumps(openapi(properties=newer)).encode()) == [TAKEN]
    model = json.dumps(openapi()).replace("multipart/form-data", "application/x-www-form-urlencoded")
    assert described_calls(model.encode()) == [TAKEN]


BINARY = {"type": "string", "format": "binary"}


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, b'{"paths": [1]}', b'{"paths": {"/p": null}}',
        b'{"paths": {"/p": {"post": {"requestBody": {"content": {"multipart/form-data": {}}}}}}}',
        json.dumps(openapi("/predict/{model}")).encode(),
        json.dumps(openapi("//elsewhere")).encode(),
        json.dumps(openapi("/p`<script>")).encode(),
        json.dumps(openapi(properties={"image`": BINARY})).encode(),
        json.dumps(openapi(properties={"a": BINARY, "b": BINARY})).encode(),
        json.dumps(openapi(properties={"a": {"$ref": "#/components/schemas/Body"}})).encode(),
        json.dumps(openapi(properties={f"a{n}": BINARY if n == 0 else {} for n in range(100)})).encode(),
    ],
)  # fmt: skip
def test_a_description_that_names_no_plain_call_says_nothing(text):
    assert described_calls(text) == []


def http(status, body):
    return [f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body]


@pytest.mark.parametrize("status", [404, 405, 422])
def test_where_a_call_does_not_fit_a_trial_asks_for_the_services_description(serve, tmp_path, status):
    """Over the same connection, as some servers serve one at a time."""
    server = serve([OK], http(status, b"no"), http(200, json.dumps(openapi()).encode()), closes=[1])
    events = events_of(plan(server.port, tmp_path, shown_bytes=100, response_bytes=10_000))
    assert events[2:] == [{"event": "described", "calls": [TAKEN]}, events[3], {"event": "done"}]
    assert (events[3]["event"], events[3]["status"], server.connections) == ("fault", status, 2)


@pytest.mark.parametrize("answer", [http(404, b"no"), http(200, b"{"), http(200, b"x" * 2000), [b""], None])
def test_a_service_without_a_description_fails_as_ever(serve, tmp_path, answer, monkeypatch):
    monkeypatch.setattr(calling, "READY_CALL_S", 0.3)
    server = serve([OK], http(404, b"no"), answer, closes=[1, 3])
    events = events_of(plan(server.port, tmp_path, shown_bytes=100))
    assert [event["event"] for event in events] == ["up", "ready", "fault", "done"]


@pytest.mark.parametrize(("status", "shown_bytes"), [(404, 0), (500, 100)])
def test_a_description_is_asked_for_in_a_trial_alone(serve, tmp_path, status, shown_bytes):
    """On hidden cases, where nothing is shown, it would only be one more call."""
    described = http(200, json.dumps(openapi()).encode())
    server = serve([OK], http(status, b"no"), described, closes=[1])
    events = events_of(plan(server.port, tmp_path, shown_bytes=shown_bytes, response_bytes=10_000))
    assert [event["event"] for event in events] == ["up", "ready", "fault", "done"]
    assert server.scripts == [described]
