"""The seam to gunicorn: what this stands on is still there, and the real server serves through it."""

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gunicorn.workers.base import Worker

from lunasite.serving.address_share import MAX_CONNECTIONS, MAX_PER_ADDRESS
from lunasite.serving.slowloris import HeaderBufferingThreadWorker, _share
from lunasite.tests.serving.conftest import get, received

ROOT = Path(__file__).resolve().parents[3]
MADE_BY = ("age", "ppid", "sockets", "app", "timeout", "cfg", "log")
APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("name", ["run", "notify", "init_process", "handle_exit"])
def test_gunicorn_still_has_the_methods_we_stand_on(name):
    assert callable(getattr(Worker, name, None)), (
        f"gunicorn's Worker has no {name}() any more: lunasite/serving/slowloris.py must follow the new version, "
        "or gunicorn be pinned to the old one"
    )


def test_gunicorn_still_makes_its_worker_as_before():
    found = tuple(inspect.signature(Worker.__init__).parameters)[1:]
    assert found == MADE_BY, f"gunicorn makes a Worker of {found} now: see lunasite/serving/slowloris.py"


@pytest.mark.parametrize("name", ["sockets", "alive", "ppid", "cfg", "wsgi", "max_requests"])
def test_gunicorn_still_sets_the_attributes_we_stand_on(name):
    source = inspect.getsource(Worker)
    assert f"self.{name} =" in source, f"gunicorn's Worker sets no {name} any more: see lunasite/serving/slowloris.py"


def test_nothing_else_names_gunicorn():
    files = [path for path in (ROOT / "lunasite").rglob("*.py") if "tests" not in path.parts]
    naming = [
        path.name for path in files if "from gunicorn" in path.read_text() or "import gunicorn" in path.read_text()
    ]
    assert naming == ["slowloris.py"]


@pytest.mark.parametrize(
    ("proxies", "most"),
    [("", MAX_PER_ADDRESS), ("0\r", MAX_PER_ADDRESS), ("0", MAX_PER_ADDRESS), ("1", MAX_CONNECTIONS)],
)
def test_behind_a_proxy_all_connections_are_the_proxys(proxies, most):
    assert _share({"PROXY_COUNT": proxies})._max_per_address == most


@pytest.fixture
def gunicorn(tmp_path):
    """Start gunicorn with one process and two threads; yields (process, address)."""
    (tmp_path / "small.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = probe.getsockname()
    worker = f"{HeaderBufferingThreadWorker.__module__}.{HeaderBufferingThreadWorker.__name__}"
    command = [sys.executable, "-m", "gunicorn", "small:application", "--bind", f"{address[0]}:{address[1]}"]
    command += ["--worker-class", worker, "--threads", "2", "--workers", "1", "--max-requests", "50"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    process = subprocess.Popen(command, cwd=tmp_path, env=env)
    yield process, address
    process.kill()
    process.wait()


def ask(address, seconds: float = 30) -> bytes:
    """Return the answer, once there is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(get())
                if answer := received(client):
                    return answer
        except ConnectionRefusedError:
            pass
        time.sleep(0.05)
    raise AssertionError("gunicorn does not answer through our worker")


@pytest.mark.slow
def test_gunicorn_serves_through_it_replaces_it_and_ends(gunicorn):
    process, address = gunicorn
    silent = []
    assert ask(address).endswith(b"ok")
    silent += [socket.create_connection(address) for _ in range(20)]
    for _ in range(120):  # two processes' worth
        assert ask(address).endswith(b"ok")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    for client in silent:
        client.close()
