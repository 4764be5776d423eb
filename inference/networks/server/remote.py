"""Model service on another machine: each call is sent to a model server over HTTP.

The other machine runs `python -m inference.networks.server`. Each call is one POST with the parameters in a header;
the body holds the files one after the other.
"""

import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from inference.networks.answers import ModelStatus, ModelUnavailable, ServiceBusy, ServiceStatus, TimedOut
from inference.networks.calls import ANSWER_TYPES, CALLS_WITHOUT_MODEL, AnyPath, ModelCalls
from inference.networks.config import ServiceConfig
from inference.networks.worker.wire import ProtocolError, from_json, result_of

PARAMETERS_HEADER = "X-Lunasite-Call"
MAX_ANSWER_BYTES = 64 * 1024**2
CHUNK_BYTES = 1024**2
STATUS_TIMEOUT_S = 2.0
# The server enforces the deadline by killing its process; after this many more seconds no answer is expected.
GRACE_S = 2.0


class RemoteService(ModelCalls):
    """Calls the model server at `config.server_url`; keeps no connection between calls."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._url = urlsplit(config.server_url)

    def start(self) -> None:
        """Do nothing: the server warms up by itself."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""

    def status(self) -> ServiceStatus:
        try:
            message = self._message("GET", "/v1/status", {}, [], STATUS_TIMEOUT_S)
            status: ServiceStatus = from_json(ServiceStatus, message.get("answer"))
        except (OSError, http.client.HTTPException, ProtocolError, AttributeError):
            return ServiceStatus("remote", [ModelStatus(name, "failed") for name in ("lesion", "slice")])
        return status

    def _ask(self, call: str, files: list[AnyPath], parameters: dict[str, Any], timeout_s: float) -> Any:
        if not self._config.load_model and call not in CALLS_WITHOUT_MODEL:
            raise ModelUnavailable
        sizes = [os.path.getsize(file) for file in files]
        header = {"parameters": parameters, "sizes": sizes, "timeout_s": timeout_s}
        try:
            message = self._message("POST", f"/v1/{call}", header, files, timeout_s + GRACE_S)
            return result_of(ANSWER_TYPES[call], message)
        except TimeoutError:
            raise TimedOut from None
        except (OSError, http.client.HTTPException, ProtocolError) as error:
            raise ServiceBusy(5) from error

    def _message(self, method: str, path: str, header: dict[str, Any], files: list[AnyPath], timeout_s: float) -> Any:
        deadline = time.monotonic() + timeout_s
        connection = self._connection(timeout_s)
        try:
            headers = {
                PARAMETERS_HEADER: json.dumps(header),
                "Authorization": f"Bearer {self._config.server_token}",
                "Content-Length": str(sum(header.get("sizes", []))),
                "Accept-Encoding": "identity",
            }
            target = self._url.path.rstrip("/") + path
            connection.request(method, target, body=_content(files, connection, deadline), headers=headers)
            return _answer(connection, deadline)
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=timeout_s)


def _content(files: list[AnyPath], connection: http.client.HTTPConnection, deadline: float) -> Iterator[bytes]:
    for file in files:
        with Path(file).open("rb", buffering=0) as source:
            while chunk := source.read(CHUNK_BYTES):
                _apply_deadline(connection, deadline)
                yield chunk


def _answer(connection: http.client.HTTPConnection, deadline: float) -> Any:
    _apply_deadline(connection, deadline)
    response = connection.getresponse()
    data = bytearray()
    while piece := response.read1(CHUNK_BYTES):
        data += piece
        if len(data) > MAX_ANSWER_BYTES:
            raise ProtocolError("answer too long")
        _apply_deadline(connection, deadline)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("no JSON") from error


def _apply_deadline(connection: http.client.HTTPConnection, deadline: float) -> None:
    """Limit the next socket operation to the time left. Raises TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if connection.sock is not None:
        connection.sock.settimeout(left)
