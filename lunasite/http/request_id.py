"""The id of the request that this thread serves: in its log lines, its answer's header and its error bodies."""

from __future__ import annotations

import uuid
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("request_id", default="")


def set_request_id(request_id: str) -> str:
    _current.set(request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the current request, or a new one outside of a request."""
    return _current.get() or uuid.uuid4().hex
