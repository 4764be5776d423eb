"""Request ids and the access log: one line a request, under an id that can be followed (threat T61)."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lines():
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as found:
        yield found


def of_access(lines):
    return [line for line in lines if line["event"] == "request"]


@pytest.mark.django_db
def test_each_request_is_one_line_with_the_id_that_is_answered(client, lines):
    answer = client.get("/health?secret=1")
    (line,) = of_access(lines)
    assert line["request_id"] == answer["X-Request-ID"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/health", 200)
    assert "secret" not in str(line)
    assert 0 < line["cpu_ms"] <= line["ms"] + 50


@pytest.mark.django_db
def test_a_plain_id_of_the_proxy_is_kept(client, lines):
    answer = client.get("/health", headers={"X-Request-ID": "abcDEF-123.4"})
    assert answer["X-Request-ID"] == of_access(lines)[0]["request_id"] == "abcDEF-123.4"


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["short", "a" * 65, "line\nbreak12", "<script>alert(1)</script>", "ä" * 12])
def test_any_other_id_is_replaced(client, given):
    assert client.get("/health", headers={"X-Request-ID": given})["X-Request-ID"] != given


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
        ("nonsense", None),
    ],
)
def test_a_trace_is_named_when_it_is_one(client, lines, header, trace_id):
    client.get("/health", headers={"traceparent": header})
    assert of_access(lines)[0].get("trace_id") == trace_id


@pytest.mark.django_db
def test_one_request_s_id_is_not_the_next_one_s(client):
    assert client.get("/health")["X-Request-ID"] != client.get("/health")["X-Request-ID"]


@pytest.mark.slow
def test_json_is_json_to_the_last_line(tmp_path):
    """A real web process, started, asked, broken into and ended: every line of its log is one JSON object."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "LOG_FORMAT": "json", "LOAD_MODEL": "0",
           "STATIC_ROOT": str(tmp_path / "static")}  # fmt: skip
    for preparation in ("migrate", "collectstatic"):
        subprocess.run([sys.executable, "manage.py", preparation, "--noinput", "-v0"], cwd=ROOT, env=env, check=True)
    command = ["-m", "gunicorn", "lunasite.wsgi:application", "--config", "lunasite/serving/gunicorn.py"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        web = subprocess.Popen(
            [sys.executable, *command, "--bind", f"127.0.0.1:{port}", "--workers", "1"],
            cwd=ROOT, env=env, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            for path in ("/health", "/nothing-here", "/ready"):
                ask(f"http://127.0.0.1:{port}{path}")
        finally:
            web.send_signal(signal.SIGTERM)
            assert web.wait(30) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"/health", "/nothing-here"} <= {line.get("path") for line in lines}


def wait_for(address):
    deadline = time.monotonic() + 180
    while ask(address) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def ask(address):
    """Return the status of an answer, None where there is none."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
