"""The site as it is served, by several gunicorn processes with their own models: counted, scraped, crowded."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from inference.tests.conftest import LESION
from inference.tests.samples import mha, picture
from inference.web import examples

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
PROCESSES = 3
CALLS = 21  # drift is told of from 20 rows on
NAMES = {
    "prediction_error_total", "system_cpu_percent", "system_memory_percent", "process_rss_bytes",
    "django_http_requests_total_by_method_total", "django_http_requests_latency_seconds_by_view_method_bucket",
    "queue_depth", "queue_oldest_seconds", "evaluations", "evaluation_wait_seconds_bucket",
    "evaluation_run_seconds_bucket", "leases_expired", "evaluation_failed_attempts_total",
    "worker_heartbeat_age_seconds", "workers", "engine_free_bytes", "evaluation_failures", "predictions_total",
    "prediction_seconds_bucket",
    "drift_share", "drift_rows", "database_up",
}  # fmt: skip
ROWS = """
from datetime import datetime, timezone
from django.contrib.auth import get_user_model
from knox.models import get_token_model
from submissions.models import Worker
now = datetime.now(timezone.utc)
Worker.objects.create(name="h/containers/1", host="h", cluster="containers", pid=1, started_at=now, seen_at=now,
                      engine_free_bytes=1)
print(get_token_model().objects.create(get_user_model().objects.create_user("ann"))[1])
"""
CROWD = 20
MIXED_CALLS = 1000
FLAT_MB = 50  # all web processes together


class Site(NamedTuple):
    """address: host:port. token: of a user. uploads: where request bodies lie while they are read."""

    address: str
    token: str
    uploads: Path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def running(command: list[str], **options) -> Iterator[None]:
    """Run a program with its children in a group of its own, and end the group."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def get(url: str, data: bytes | None = None, headers: dict | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if get(url)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"{url} did not answer within {seconds} s")


def wait_for_models(address: str, seconds: float) -> None:
    """Wait until whichever process answers has its models: a busy machine loads them longer than a call may wait."""
    deadline, in_a_row = time.monotonic() + seconds, 0
    while in_a_row < 6 * PROCESSES:
        assert time.monotonic() < deadline, f"the models of {address} were not loaded within {seconds} s"
        is_loaded = json.loads(get(f"http://{address}/health")[1])["model_loaded"]
        in_a_row = in_a_row + 1 if is_loaded else 0
        time.sleep(0 if is_loaded else 0.5)


def multipart(filename: str = "x.png", **parts: bytes) -> tuple[bytes, dict]:
    """Return a body with `file` as a file and the rest as fields."""
    mark = uuid.uuid4().hex
    body = b""
    for name, value in parts.items():
        file = f'; filename="{filename}"' if name == "file" else ""
        body += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    return body + f"--{mark}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={mark}"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """Start the site as `manage.py start` does: several processes that share one folder of counters."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "counters").mkdir()
    (folder / "uploads").mkdir()
    env = {
        **os.environ, "DATA_DIR": str(folder), "PROMETHEUS_MULTIPROC_DIR": str(folder / "counters"),
        "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}", "OMP_NUM_THREADS": "1",
        "STATIC_ROOT": str(folder / "static"), "TMPDIR": str(folder / "uploads"),
        "THROTTLE_LESION": "100000/min", "THROTTLE_SLICE": "100000/min",
    }  # fmt: skip
    setup = (
        ["migrate", "-v0"],
        ["collectstatic", "-v0", "--noinput"],
        ["createcachetable"],
        ["shell", "-v0", "-c", ROWS],
    )
    for words in setup:
        done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=env, check=True, capture_output=True)
    url = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "lunasite.wsgi", "-c", "python:lunasite.serving.gunicorn"]
    with running([*command, "-b", url, "-w", str(PROCESSES)], cwd=ROOT, env=env):
        wait_for(f"http://{url}/health", 60)
        wait_for_models(url, 240)
        yield Site(url, done.stdout.decode().split()[-1], folder / "uploads")


@pytest.fixture(scope="module")
def used_site(site) -> Site:
    """Classify, misclassify and report, so that every counter has moved."""
    for _ in range(CALLS):
        body, headers = multipart(file=picture((128, 128)))
        status, text = get(f"http://{site.address}/predict", body, headers)
        assert status == 200, text
    fields = {"predicted_class": b"normal", "is_correct": b"false", "correct_class": b"adenocarcinoma"}
    body, headers = multipart(file=picture((128, 128)), **fields)
    assert get(f"http://{site.address}/feedback", body, headers)[0] == 200
    return site


def lesion_request(site: Site, **changes: bytes) -> tuple[int, dict]:
    """Ask for the nodule of the phantom."""
    example = examples.phantom()
    point = {f"coord{axis}": str(value).encode() for axis, value in zip("XYZ", example.point_xyz_mm, strict=True)}
    parts = {"file": example.mha, "seriesInstanceUID": b"1.2", "lesionID": b"1", **point, **changes}
    body, headers = multipart("x.mha", **parts)
    bearer = {"Authorization": f"Bearer {site.token}"}
    status, text = get(f"http://{site.address}/api/v1/predict/lesion", body, headers | bearer)
    return status, json.loads(text)


def sample(text: str, start: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(start))


def test_whichever_process_answers_the_counts_are_those_of_all(used_site):
    for _ in range(3 * PROCESSES):
        text = get(f"http://{used_site.address}/metrics")[1]
        assert sample(text, 'predictions_total{endpoint="slice"') == CALLS
        assert sample(text, "prediction_seconds_count") == CALLS
        assert sample(text, "prediction_error_total ") == 1
        assert sample(text, "drift_rows ") == CALLS


def test_no_label_names_anybody(used_site):
    text = get(f"http://{used_site.address}/metrics")[1]
    assert "x.png" not in text
    assert "127.0.0.1" not in text


def test_prometheus_finds_every_name(used_site, tmp_path):
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus: apt-get install prometheus")
    config = {
        "scrape_configs": [
            {"job_name": "site", "scrape_interval": "1s", "static_configs": [{"targets": [used_site.address]}]}
        ]
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    own = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with running([program, *options, f"--web.listen-address={own}"], stderr=subprocess.DEVNULL):
        wait_for(f"http://{own}/-/ready", 60)
        missing = names_missing(own)
        up = json.loads(get(f"http://{own}/api/v1/query?query=up")[1])["data"]["result"]
    assert missing == set()
    assert [item["value"][1] for item in up] == ["1"]


def names_missing(prometheus: str) -> set[str]:
    """Return the names Prometheus has not found within two minutes."""
    deadline = time.monotonic() + 120
    while True:
        found = set(json.loads(get(f"http://{prometheus}/api/v1/label/__name__/values")[1])["data"])
        if found >= NAMES or time.monotonic() > deadline:
            return NAMES - found
        time.sleep(1)


def test_a_crowd_is_answered_or_sent_away_and_none_hangs(site):
    began = time.monotonic()
    with ThreadPoolExecutor(CROWD) as crowd:
        answers = list(crowd.map(lambda _: lesion_request(site), range(CROWD)))
    statuses = {status for status, _ in answers}
    assert statuses <= {200, 503}
    assert 200 in statuses
    assert all(body["error_code"] == "TRY_AGAIN" for status, body in answers if status == 503)
    assert len({body["data"]["probability"] for status, body in answers if status == 200}) == 1
    assert time.monotonic() - began < 60


def web_memory_mb(site: Site) -> float:
    return sample(get(f"http://{site.address}/metrics")[1], "process_rss_bytes ") / 2**20


def mixed_call(site: Site, number: int) -> int:
    """Send a good or a broken scan or slice, or look at a page. Returns the status."""
    bearer = {"Authorization": f"Bearer {site.token}"}
    fields = {name: value.encode() for name, value in LESION.items()}
    bodies = [
        ("/api/v1/predict/lesion", multipart("x.mha", file=mha(), **fields)),
        ("/api/v1/predict/lesion", multipart("x.mha", file=mha()[:-1], **fields)),
        ("/predict", multipart(file=picture((128, 128)))),
        ("/predict", multipart(file=picture((128, 128))[:-40])),
        ("/try", (None, {})),
    ]
    path, (body, headers) = bodies[number % len(bodies)]
    return get(f"http://{site.address}{path}", body, headers | bearer)[0]


def test_a_thousand_mixed_calls_leave_memory_flat_and_no_file(site):
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda number: mixed_call(site, number), range(100)))
        before = web_memory_mb(site)
        statuses = Counter(callers.map(lambda number: mixed_call(site, number), range(MIXED_CALLS)))
    assert statuses == {200: MIXED_CALLS * 3 // 5, 400: MIXED_CALLS * 2 // 5}
    assert abs(web_memory_mb(site) - before) < FLAT_MB
    assert left_behind(site) == []


def in_pieces(site: Site, pieces: bytes) -> bytes:
    """Send a slice by HTTP's chunked transfer. Returns the first line of the answer."""
    host, port = site.address.split(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {site.address}\r\nTransfer-Encoding: chunked\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        caller.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode() + pieces)
        return caller.makefile("rb").readline()


def test_a_body_without_a_length_is_read_piece_by_piece(site):
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    parts = (head, picture((128, 128)), b"\r\n--x--\r\n", b"")
    pieces = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
    assert in_pieces(site, b"".join(pieces)).split()[1] == b"200"
    assert in_pieces(site, pieces[0] + b"no number\r\n").split()[1] == b"400"


def test_a_script_name_header_changes_no_link(site):
    for name in ("SCRIPT_NAME", "Script-Name"):
        status, text = get(f"http://{site.address}/", headers={name: "/evil"})
        assert status == 200
        assert "/evil" not in text


def test_a_broken_file_harms_nobody_else(site):
    status, body = lesion_request(site, file=examples.phantom().mha[:-1])
    assert (status, body["details"]["reason"]) == (400, "DATA_LENGTH")
    assert lesion_request(site)[0] == 200


def test_a_caller_who_hangs_up_leaves_nothing_behind(site):
    host, port = site.address.split(":")
    head = f"POST /api/v1/predict/lesion HTTP/1.1\r\nHost: {site.address}\r\nAuthorization: Bearer {site.token}\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000000\r\n\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mha"\r\n\r\n'
    for _ in range(3):
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall((head + kind + part).encode() + bytes(2_000_000))
    deadline = time.monotonic() + 60
    while left_behind(site) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_behind(site) == []
    assert lesion_request(site)[0] == 200


def left_behind(site: Site) -> list[str]:
    return [path.name for path in site.uploads.iterdir() if "upload" in path.name]


def test_without_a_token_half_a_gigabyte_is_refused_unread(site):
    host, port = site.address.split(":")
    head = f"POST /api/v1/predict/lesion HTTP/1.1\r\nHost: {site.address}\r\nContent-Length: 500000000\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode())
        assert caller.recv(12) == b"HTTP/1.1 401"


@pytest.mark.parametrize("path", ["/api/v1/predict/lesion", "/predict", "/feedback"])
def test_a_caller_who_sends_too_much_or_may_not_still_reads_why(site, path):
    body, headers = multipart(file=bytes(40 * 2**20))
    status, text = get(f"http://{site.address}{path}", body, headers)
    assert (status, json.loads(text)["status"]) == (401 if "lesion" in path else 413, "error")
