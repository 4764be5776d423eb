"""Request ids and the access log: one line a request, under an id that the proxy gave or that is made here.

The id is in every log line of the request and in the answer's X-Request-ID header. A `traceparent` (W3C Trace Context)
adds the trace's id. `ms` is the time until the answer was there, `cpu_ms` the processor's part of it. No line holds a
query, a user's name or an address.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase

from lunasite.http.tracing import continued, set_request_id, span

log = structlog.get_logger("lunasite.access")
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestLogMiddleware:
    """First of all middleware, so that the line tells the status and time that the client saw."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        request_id = set_request_id(given_id(request.headers.get("X-Request-ID", "")) or uuid.uuid4().hex)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with continued(request.headers.get("traceparent", "")), span("request", method=str(request.method)):
            return self._answered(request, request_id, started)

    def _answered(self, request: HttpRequest, request_id: str, started: float) -> HttpResponseBase:
        used = time.thread_time()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round((time.monotonic() - started) * 1000),
            cpu_ms=round((time.thread_time() - used) * 1000, 1),
        )
        return response


def given_id(text: str) -> str:
    """Return the client's id if it is plain and not too long, else nothing."""
    return text if GIVEN_ID.fullmatch(text) else ""
