"""An engine that goes away in the middle of an answer is an engine's fault, whatever was asked of it."""

import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from submissions.runner.base import EngineFault
from submissions.runner.engine.docker import DockerEngine
from submissions.runner.engine.image_contents import ImageContents


class Handler(BaseHTTPRequestHandler):
    """An engine that ends while it sends a chunk."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/version":
            return self.whole(b'{"ApiVersion": "1.44"}')
        return self.broken()

    def do_POST(self):
        while size := int(self.rfile.readline().strip(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()
        return self.broken()

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("X-Docker-Container-Path-Stat", b64encode(b'{"mode": 420}').decode())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def whole(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def broken(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"4000\r\n" + b"{")
        self.close_connection = True

    def log_message(self, *args): ...


@pytest.fixture
def engine():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    engine = DockerEngine(f"tcp://127.0.0.1:{server.server_port}")
    yield engine
    engine.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: engine.load([b"an archive"]),
        lambda engine: engine.image("one"),
        lambda engine: engine.logs("one"),
        lambda engine: engine.read_archive("one", "/output", 1 << 20),
        lambda engine: ImageContents(engine, "one").head("/app", 100),
        lambda engine: ImageContents(engine, "one").tree("/app", 1 << 20),
    ],
    ids=["load", "image", "logs", "read_archive", "head", "tree"],
)
def test_an_engine_that_ends_in_the_middle_of_an_answer_is_at_fault(engine, ask):
    with pytest.raises(EngineFault):
        ask(engine)
