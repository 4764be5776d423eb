"""A container gets the environment that its role gives it, and nothing of the worker's own machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from submissions.runner.engine.docker import DockerEngine
from submissions.runner.values import ContainerSpec

ANSWERS = {"version": {"ApiVersion": "1.44"}, "create": {"Id": "c" * 64}, "json": {"Id": "c" * 64}}


class Handler(BaseHTTPRequestHandler):
    """An engine that keeps what it was asked to create."""

    def do_GET(self):
        self.answer(ANSWERS[self.path.rpartition("/")[2]])

    def do_POST(self):
        self.server.created = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(ANSWERS["create"])

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args): ...


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_proxies_of_the_worker_s_account_reach_no_container(server, tmp_path, monkeypatch):
    """A hospital's `docker` has a proxy with a password there, which docker-py hands to each container by itself."""
    proxies = {"httpProxy": "http://me:secret@proxy.example:3128", "noProxy": "hospital.example"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine = DockerEngine(f"tcp://127.0.0.1:{server.server_port}")
    engine.create(
        ContainerSpec(name="model", image_id="sha256:1", labels={}, network="none", memory_bytes=2**26, pids=8,
                      environment={"HOME": "/tmp"})
    )  # fmt: skip
    engine.close()
    assert server.created["Env"] == ["HOME=/tmp"]
