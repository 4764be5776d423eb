"""Requests and answers as JSON, for the pipe to the model process and for a model server alike.

Never pickle: the process that answers has decoded strangers' bytes, so what it says is checked, not believed.
"""

import base64
import dataclasses
import functools
import json
import math
import socket
import struct
import time
import typing
from typing import Any

from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answers import ModelFailed, ModelUnavailable, ServiceBusy, ServiceError, TimedOut

MAX_FRAME_BYTES = 64 * 1024**2
LENGTH = struct.Struct(">I")

SERVICE_ERRORS: dict[str, type[ServiceError]] = {
    error.code: error for error in (ModelUnavailable, TimedOut, ModelFailed, ServiceError)
}


class ProtocolError(Exception):
    """The other side said something that is no answer."""


def to_json(value: Any) -> Any:
    """Return an answer (dataclasses, lists, bytes, numbers) as what `json` can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value


def from_json(kind: Any, value: Any) -> Any:
    """Return `value` as an instance of `kind` (an answer's dataclass, or the type of one of its fields).

    Raises Garbled when it does not fit.
    """
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass_from_json(kind, value)
    if typing.get_origin(kind) in (list, dict):
        return _container_from_json(kind, value)
    if kind is bytes and isinstance(value, str):
        return _decoded(value)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise ProtocolError(f"no {kind}")


def _dataclass_from_json(kind: type, value: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict) or set(value) != set(hints):
        raise ProtocolError(f"no {kind.__name__}")
    return kind(**{name: from_json(hint, value[name]) for name, hint in hints.items()})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _container_from_json(kind: Any, value: Any) -> Any:
    outer: Any = typing.get_origin(kind)
    inner = typing.get_args(kind)[-1]
    if type(value) is not outer:
        raise ProtocolError(f"no {outer}")
    if isinstance(value, dict):
        return {key: from_json(inner, item) for key, item in value.items()}
    return [from_json(inner, item) for item in value]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ProtocolError("no base64") from error


def error_to_json(error: Exception) -> dict[str, Any]:
    """Return an error of the service as JSON; anything unknown becomes ModelFailed without its text."""
    if isinstance(error, ServiceBusy):
        return {"code": error.code, "note": error.note, "retry_after_s": error.retry_after_s}
    if isinstance(error, InvalidImageFile):
        return {"code": error.code, "note": error.note, "is_unreadable": True}
    if isinstance(error, PointOutsideScan | ServiceError):
        return {"code": error.code, "note": error.note}
    return {"code": ModelFailed.code, "note": ModelFailed.note}


def error_from_json(value: Any) -> Exception:
    """Return the exception that `error_to_json` described."""
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("code", "note")):
        return ProtocolError("no error")
    code, note = value["code"], value["note"]
    if value.get("is_unreadable"):
        return InvalidImageFile(code, note)
    if code == PointOutsideScan.code:
        return PointOutsideScan()
    if code == ServiceBusy.code:
        return ServiceBusy(from_json(int, value.get("retry_after_s")))
    return SERVICE_ERRORS.get(code, ServiceError)(note)


def result_of(kind: Any, message: Any) -> Any:
    """Return the answer of type `kind` in a message, or raise the error in it."""
    if not isinstance(message, dict):
        raise ProtocolError("no message")
    if "error" in message:
        raise error_from_json(message["error"])
    return from_json(kind, message.get("answer"))


def send_frame(connection: socket.socket, message: Any, deadline: float | None = None) -> None:
    """Write one message. Raises OSError when the other side is gone, TimeoutError after `deadline`."""
    data = json.dumps(message, allow_nan=False).encode()
    connection.settimeout(_left(deadline))
    connection.sendall(LENGTH.pack(len(data)) + data)


def receive_frame(connection: socket.socket, deadline: float | None = None) -> Any:
    """Return the next message.

    deadline: on time.monotonic(); it holds for the whole message, however slowly its bytes drip in.
    Raises EOFError or OSError when the other side is gone, TimeoutError, Garbled.
    """
    [length] = LENGTH.unpack(_receive_exactly(connection, LENGTH.size, deadline))
    if length > MAX_FRAME_BYTES:
        raise ProtocolError("frame too long")
    try:
        return json.loads(_receive_exactly(connection, length, deadline))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("no JSON") from error


def _receive_exactly(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        connection.settimeout(_left(deadline))
        piece = connection.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _left(deadline: float | None) -> float | None:
    """Return the seconds left. Raises TimeoutError when there are none."""
    if deadline is None:
        return None
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
