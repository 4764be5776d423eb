"""Deliveries to a real server on this machine: signed, tried again, given up, sent again."""

import ast
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django_q.models import OrmQ, Schedule

from submissions.models import Delivery, Webhook
from submissions.models.team import team_of
from submissions.notices.sending import Notice, queue_delivery
from submissions.teams.membership import join_team, leave_team
from submissions.tests.factories import make_member
from submissions.webhooks import connection, delivery

pytestmark = pytest.mark.django_db


class Listener(BaseHTTPRequestHandler):
    """Answers with the server's `status`, and keeps what it got."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(b"the secret of an internal service")

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def listener(settings):
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.got, server.status = [], 204
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.host = f"127.0.0.1:{server.server_port}"
    settings.WEBHOOK_PRIVATE_HOSTS = [server.host]
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook(listener):
    return Webhook.objects.create(user=make_member("ann"), url=f"http://{listener.host}/hook?a=1", kinds=["team"])


def queued(hook, key="k"):
    return queue_delivery(hook, Notice("team", key, "Hello", "Text", "/team/", {"team": "Ä"}))


def run_next():
    """Do what a worker does with the next message or due schedule of a delivery."""
    message = OrmQ.objects.first()
    if message is not None:
        arguments = message.task["args"]
        message.delete()
    else:
        schedule = Schedule.objects.get()
        arguments = ast.literal_eval(schedule.args)
        schedule.delete()
    delivery.deliver(*arguments)


def test_it_arrives_signed_and_once(hook, listener):
    row = queued(hook)
    run_next()
    ((headers, body),) = listener.got
    signed = f"{headers['X-Lunasite-Timestamp']}.".encode() + body
    expected = hmac.new(hook.key.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Lunasite-Signature"] == f"v1={expected}"
    assert abs(int(headers["X-Lunasite-Timestamp"]) - time.time()) < 60
    assert headers["X-Lunasite-Delivery"] == str(row.pk)
    assert json.loads(body)["team"] == "Ä"
    row.refresh_from_db()
    assert (row.status, row.answer, row.tries) == ("delivered", "HTTP 204", 1)
    delivery.deliver(str(row.pk), 0)  # the queue's message once more
    assert len(listener.got) == 1
    assert not Schedule.objects.exists()


def test_the_same_occasion_is_queued_once(hook):
    assert queued(hook)
    assert queued(hook) is None
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize("status", [500, 404, 301])
def test_it_is_tried_again_and_given_up_in_the_end(hook, listener, status):
    listener.status = status
    row = queued(hook)
    for _ in range(len(delivery.PAUSES_MINUTES) + 1):
        row.refresh_from_db()
        assert row.status == "pending"
        run_next()
    row.refresh_from_db()
    assert (row.status, row.tries, len(listener.got)) == ("failed", 6, 6)
    assert row.answer.startswith(f"HTTP {status}")
    assert "secret" not in row.answer
    assert not Schedule.objects.exists()
    hook.refresh_from_db()
    assert hook.failures == 1


def test_a_worker_that_dies_while_sending_loses_nothing(hook, listener, monkeypatch):
    def die(*args):
        raise KeyboardInterrupt

    row = queued(hook)
    monkeypatch.setattr(delivery, "_send", die)
    with pytest.raises(KeyboardInterrupt):
        run_next()
    monkeypatch.undo()
    run_next()
    row.refresh_from_db()
    assert (row.status, row.tries) == ("delivered", 2)


def test_sending_again_repeats_the_same_body(hook, listener):
    row = queued(hook)
    run_next()
    row.refresh_from_db()
    delivery.resend(row)
    run_next()
    assert listener.got[0][1] == listener.got[1][1]
    delivery.resend(Delivery.objects.get())
    delivery.resend(Delivery.objects.get())  # it waits already
    assert OrmQ.objects.count() == 1


def test_a_webhook_that_never_answers_is_switched_off(hook, listener, monkeypatch):
    monkeypatch.setattr(delivery, "MAX_FAILURES", 1)
    monkeypatch.setattr(delivery, "PAUSES_MINUTES", ())
    monkeypatch.setattr(delivery, "_schedule", lambda *args: Schedule.objects.create(func="x"))
    listener.status = 500
    queued(hook)
    run_next()
    hook.refresh_from_db()
    assert not hook.is_active
    row = queued(hook, "later")
    run_next()
    row.refresh_from_db()
    assert (row.status, row.answer) == ("failed", "the webhook is switched off")
    assert len(listener.got) == 1


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 2", b""])
@pytest.mark.slow
def test_a_server_that_drips_bytes_holds_no_worker_and_counts_as_silent(monkeypatch, settings, begins):
    import socket

    monkeypatch.setattr(connection, "TOTAL_TIMEOUT_S", 0.3)
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip():
            client, _ = server.accept()
            client.sendall(begins)
            while not stop.wait(0.05):
                try:
                    client.sendall(b"a")
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(connection.NoAnswer, match=connection.NOT_IN_TIME):
            connection.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, ["127.0.0.1"])
        stop.set()
    assert time.monotonic() - started < 4


def test_a_webhook_that_lets_us_wait_rests(hook, listener, monkeypatch):
    """Twenty deliveries to a server that never answers would hold a worker for five minutes."""
    calls = []

    def never_answer(*args):
        calls.append(args)
        raise connection.NoAnswer(connection.NOT_IN_TIME)

    monkeypatch.setattr(delivery, "post", never_answer)
    first, second = queued(hook, "1"), queued(hook, "2")
    run_next()
    run_next()
    assert len(calls) == 1
    second.refresh_from_db()
    assert (second.status, second.tries) == ("pending", 1)  # it is tried again like any other
    monkeypatch.undo()
    delivery.deliver(str(first.pk), 1)  # its own next try does not rest
    assert len(listener.got) == 1
    delivery.deliver(str(second.pk), 1)
    assert len(listener.got) == 2


def test_a_handshake_that_never_ends_counts_as_silent(monkeypatch):
    import socket

    monkeypatch.setattr(connection, "TOTAL_TIMEOUT_S", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(connection.NoAnswer, match=connection.NOT_IN_TIME),
    ):
        connection.post(f"https://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, ["127.0.0.1"])


class TestThePages:
    FORM = {"url": "https://example.org/hook", "owner": "me", "kinds": ["scored"]}

    def test_the_key_is_shown_once(self, client):
        client.force_login(make_member("ann"))
        answer = client.post("/webhooks/", self.FORM)
        hook = Webhook.objects.get()
        assert answer.status_code == 201
        assert hook.key in answer.content.decode()
        for path in ("/webhooks/", f"/webhooks/{hook.pk}/"):
            assert hook.key not in client.get(path).content.decode()

    @pytest.mark.slow
    def test_only_the_owner_makes_and_sees_the_team_s(self, client):
        ann, ben = make_member("ann"), make_member("ben")
        leave_team(user=ben)
        join_team(user=ben, code=team_of(ann).code)
        client.force_login(ben)
        assert client.post("/webhooks/", self.FORM | {"owner": "team"}).status_code == 400
        client.force_login(ann)
        client.post("/webhooks/", self.FORM | {"owner": "team"})
        hook = Webhook.objects.get()
        assert (hook.team, hook.user, hook.made_by) == (team_of(ann), None, ann)
        client.force_login(ben)
        for path in ("", "switch/", "delete/", "test/"):
            assert client.post(f"/webhooks/{hook.pk}/{path}").status_code in (404, 405)
        assert client.get(f"/webhooks/{hook.pk}/").status_code == 404

    @pytest.mark.slow
    def test_there_is_an_end_to_them(self, client):
        client.force_login(make_member("ann"))
        answers = [client.post("/webhooks/", self.FORM).status_code for _ in range(6)]
        assert answers == [201] * 5 + [400]

    def test_testing_switching_sending_again_and_deleting(self, client, hook, listener):
        client.force_login(hook.user)
        client.post(f"/webhooks/{hook.pk}/test/")
        run_next()
        page = client.get(f"/webhooks/{hook.pk}/").content.decode()
        assert "HTTP 204" in page
        client.post(f"/webhooks/{hook.pk}/deliveries/{Delivery.objects.get().pk}/")
        run_next()
        assert len(listener.got) == 2
        client.post(f"/webhooks/{hook.pk}/switch/")
        hook.refresh_from_db()
        assert not hook.is_active
        client.post(f"/webhooks/{hook.pk}/delete/")
        assert not Webhook.objects.exists()
        assert not Delivery.objects.exists()
