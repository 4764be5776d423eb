"""A model server for sites that outgrow one machine: the calls of calls.py over HTTP, answered by several processes.

    MODEL_SERVER_TOKEN=… python -m inference.networks.server --host 0.0.0.0 --port 8500 --processes 4

Standard library only, no Django. Point a site at it with MODEL_SERVER_URL=http://host:8500 and the same
MODEL_SERVER_TOKEN. It serves sites, never users: keep it on a private network.
"""

import argparse
import hmac
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answers import ModelFailed, ModelUnavailable, ServiceBusy, ServiceStatus
from inference.networks.calls import ANSWER_TYPES
from inference.networks.config import ServiceConfig
from inference.networks.server.remote import PARAMETERS_HEADER
from inference.networks.worker.local import LocalService
from inference.networks.worker.wire import error_to_json, to_json

MAX_BODY_BYTES = 1200 * 1024**2
CHUNK_BYTES = 1024**2
MAX_WAIT_S = 600.0
PARAMETERS = ("points", "recenter", "allow_non_hu")


class Pool:
    """Several model processes; each request goes to the process with the shortest queue."""

    def __init__(self, config: ServiceConfig, processes: int) -> None:
        self.services = [LocalService(config) for _ in range(processes)]
        self._load = [0] * processes
        self._lock = threading.Lock()

    def start(self) -> None:
        for service in self.services:
            service.start()

    def close(self) -> None:
        for service in self.services:
            service.close()

    def status(self) -> ServiceStatus:
        return self.services[0].status()

    @contextmanager
    def least_busy(self) -> Iterator[LocalService]:
        with self._lock:
            chosen = self._load.index(min(self._load))
            self._load[chosen] += 1
        try:
            yield self.services[chosen]
        finally:
            with self._lock:
                self._load[chosen] -= 1


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], pool: Pool, token: str, most_uploads: int = 32) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)
        self.pool = pool
        self.token = token
        self.uploads = threading.BoundedSemaphore(most_uploads)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: ModelServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        if not self._is_allowed():
            return self._refuse()
        if self.path == "/v1/status":
            return self._send(200, {"answer": to_json(self.server.pool.status())})
        return self._send(404, {"error": {"code": "NOT_FOUND", "note": "There is only /v1/status."}})

    def do_POST(self) -> None:
        self.close_connection = True
        call = self.path.removeprefix("/v1/")
        if not self._is_allowed():
            return self._refuse()
        if call not in ANSWER_TYPES:
            return self._send(404, {"error": {"code": "NOT_FOUND", "note": "No such call."}})
        if not self.server.uploads.acquire(blocking=False):
            return self._send(503, {"error": error_to_json(ServiceBusy(2))})
        try:
            return self._send(200, self._message(call))
        finally:
            self.server.uploads.release()

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return not self.server.token or hmac.compare_digest(given.encode(), self.server.token.encode())

    def _refuse(self) -> None:
        self.close_connection = True
        self._send(403, {"error": error_to_json(ModelUnavailable("The model server does not know this site."))})

    def _message(self, call: str) -> dict[str, Any]:
        try:
            with tempfile.TemporaryDirectory(prefix="lunasite-model-") as folder:
                files, parameters, deadline = self._received(Path(folder))
                with self.server.pool.least_busy() as service:
                    answer = service._ask(call, files, parameters, max(deadline - time.monotonic(), 0.001))
                return {"answer": to_json(answer)}
        except Exception as error:  # noqa: BLE001 every failure becomes one of the codes; ours are logged by their owner
            return {"error": error_to_json(error)}

    def _received(self, folder: Path) -> tuple[list[Path | str], dict[str, Any], float]:
        """Write the body's files below `folder`; return their paths, the call's parameters and its deadline."""
        began = time.monotonic()
        header = json.loads(self.headers.get(PARAMETERS_HEADER, ""))
        sizes = [int(size) for size in header["sizes"]]
        if len(sizes) > 2 or min(sizes) < 0 or sum(sizes) > MAX_BODY_BYTES:
            raise InvalidImageFile("IMAGE_TOO_LARGE", "The file is too large.")
        files: list[Path | str] = []
        for number, size in enumerate(sizes):
            files.append(folder / f"file{number}")
            self._save(Path(files[-1]), size)
        parameters = {name: header["parameters"][name] for name in PARAMETERS if name in header["parameters"]}
        return files, parameters, began + min(float(header["timeout_s"]), MAX_WAIT_S)

    def _save(self, path: Path, size: int) -> None:
        with path.open("wb", buffering=0) as target:
            while size:
                chunk = self.rfile.read(min(size, CHUNK_BYTES))
                if not chunk:
                    raise ModelFailed
                target.write(chunk)
                size -= len(chunk)

    def _send(self, status: int, message: dict[str, Any]) -> None:
        data = json.dumps(message, allow_nan=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the sites log their calls."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m inference.networks.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    server = ModelServer(
        (arguments.host, arguments.port),
        Pool(_config_from(os.environ), arguments.processes),
        _token_from(os.environ),
    )
    server.pool.start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stderr.write(f"model server on {arguments.host}:{server.server_address[1]}\n")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.pool.close()


def _token_from(environment: "os._Environ[str]") -> str:
    """Return MODEL_SERVER_TOKEN, or the text of the file that MODEL_SERVER_TOKEN_FILE names."""
    path = environment.get("MODEL_SERVER_TOKEN_FILE", "").strip()
    return (Path(path).read_text() if path else environment.get("MODEL_SERVER_TOKEN", "")).strip()


def _config_from(environment: "os._Environ[str]") -> ServiceConfig:
    """Return the config with the same default paths as the site's settings."""

    def path(name: str, usual: Path) -> Path:
        value = environment.get(name, "").strip()
        return Path(value).expanduser() if value else usual

    usual = ServiceConfig()
    return ServiceConfig(
        config_path=path("CONFIG_PATH", usual.config_path),
        model_path=path("MODEL_PATH", usual.model_path),
        lesion_config_path=path("LESION_CONFIG_PATH", usual.lesion_config_path),
        lesion_model_path=path("LESION_MODEL_PATH", usual.lesion_model_path),
    )
