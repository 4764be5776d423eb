"""Encode requests and answers as JSON, both for the pipe to the model process and for a model server.

Never pickle: the answering process has decoded untrusted bytes, so its messages are checked, not trusted.
"""

import json
import socket
import struct
import time
from typing import Any

import msgspec

from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answers import ModelFailed, ModelUnavailable, ServiceBusy, ServiceError, TimedOut

MAX_FRAME_BYTES = 64 * 1024**2
LENGTH = struct.Struct(">I")

SERVICE_ERRORS: dict[str, type[ServiceError]] = {
    error.code: error for error in (ModelUnavailable, TimedOut, ModelFailed, ServiceError)
}


class ProtocolError(Exception):
    """The other side sent a message that is not a valid answer."""


class ErrorMessage(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """An error of the service as a message; is_unreadable: the error is about the caller's file."""

    code: str
    note: str
    is_unreadable: bool = False
    retry_after_s: int | None = None


def to_json(value: Any) -> Any:
    """Convert an answer (dataclasses, lists, bytes, numbers) to values that `json` can write; bytes become base64."""
    return msgspec.to_builtins(value)


def from_json(kind: Any, value: Any) -> Any:
    """Return `value` as an instance of `kind`, an answer's dataclass or a list of them.

    Raises ProtocolError when it does not fit: a field of the wrong type, too many or too few fields, or a number that
    is not finite.
    """
    try:
        answer = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"no {kind}") from error
    if to_json(answer) != value:  # a dataclass silently accepts unknown fields and fills in missing ones
        raise ProtocolError(f"no {kind}")
    return answer


def error_to_json(error: Exception) -> dict[str, Any]:
    """Return an error of the service as JSON; an unknown error becomes ModelFailed without its text."""
    if not isinstance(error, InvalidImageFile | PointOutsideScan | ServiceError):
        error = ModelFailed()
    seconds = error.retry_after_s if isinstance(error, ServiceBusy) else None
    message: dict[str, Any] = to_json(
        ErrorMessage(error.code, error.note, isinstance(error, InvalidImageFile), seconds)
    )
    return message


def error_from_json(value: Any) -> Exception:
    """Return the exception that `error_to_json` encoded. Raises ProtocolError when the value does not encode one."""
    try:
        message = msgspec.convert(value, ErrorMessage)
    except msgspec.ValidationError as error:
        raise ProtocolError("no error") from error
    if message.is_unreadable:
        return InvalidImageFile(message.code, message.note)
    if message.code == PointOutsideScan.code:
        return PointOutsideScan()
    if message.code == ServiceBusy.code:
        return ServiceBusy(from_json(int, message.retry_after_s))
    return SERVICE_ERRORS.get(message.code, ServiceError)(message.note)


def result_of(kind: Any, message: Any) -> Any:
    """Return the answer of type `kind` in a message, or raise the error in it."""
    if not isinstance(message, dict):
        raise ProtocolError("no message")
    if "error" in message:
        raise error_from_json(message["error"])
    return from_json(kind, message.get("answer"))


def send_frame(connection: socket.socket, message: Any, deadline: float | None = None) -> None:
    """Send one message. Raises OSError when the other side is gone, TimeoutError after `deadline`."""
    data = json.dumps(message, allow_nan=False).encode()
    connection.settimeout(_left(deadline))
    connection.sendall(LENGTH.pack(len(data)) + data)


def receive_frame(connection: socket.socket, deadline: float | None = None) -> Any:
    """Return the next message.

    deadline: a time of time.monotonic(); it covers the whole message, however slowly its bytes arrive.
    Raises EOFError or OSError when the other side is gone, TimeoutError, ProtocolError.
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
