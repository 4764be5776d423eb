"""Following one request: its id in log lines and answers, its trace from the web through queue, worker and container.

The trace (W3C Trace Context) travels as a `traceparent`: in from the client, with an evaluation through the database,
and on to an OpenTelemetry collector when OTEL_EXPORTER_OTLP_ENDPOINT names one. Without it a span costs nothing.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from django.conf import settings

TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def set_request_id(request_id: str) -> str:
    _request_id.set(request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the current request, or a new one outside of a request."""
    return _request_id.get() or uuid.uuid4().hex


def current_traceparent() -> str:
    """Return what to store with work that goes on elsewhere: the innermost span's, else the client's, else ""."""
    return _traceparent.get()


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """Take up a trace from elsewhere; what is no traceparent begins none. Its id is in the log lines of the block."""
    found = TRACEPARENT.fullmatch(traceparent)
    token = _traceparent.set(traceparent if found else "")
    try:
        with structlog.contextvars.bound_contextvars(**({"trace_id": found[1]} if found else {})):
            yield
    finally:
        _traceparent.reset(token)


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[None]:
    """Time a block as a span of the current trace, if there is a collector; no attribute is a user, team or file."""
    tracer = _tracers.get()
    if tracer is None:
        yield
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import format_span_id, format_trace_id

    parent = extract({"traceparent": _traceparent.get()}) if _traceparent.get() else None
    with tracer.start_as_current_span(name, context=parent, attributes=attributes) as started:
        context = started.get_span_context()
        own = f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{context.trace_flags:02x}"
        with continued(own):
            yield


def past_span(name: str, duration_s: float, **attributes: str | int | float) -> None:
    """Record a span of the current trace that ends now: another process's work for us, as a container's answer."""
    tracer = _tracers.get()
    if tracer is not None:
        started = tracer.start_span(name, start_time=time.time_ns() - int(duration_s * 1e9), attributes=attributes)
        started.end()


class _Tracers:
    """One exporter a process: its thread does not survive a fork, so each process starts its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._tracer: Any = None

    def get(self) -> Any:
        if not settings.OTEL_ENDPOINT:
            return None
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._tracer = os.getpid(), _new_tracer()
            return self._tracer


def _new_tracer() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    instance = f"{settings.WORKER_NAME}-{secrets.token_hex(4)}"
    name = {"service.name": settings.OTEL_SERVICE, "service.instance.id": instance}
    provider = TracerProvider(resource=Resource.create(name))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.OTEL_ENDPOINT}/v1/traces")))
    return provider.get_tracer("lunasite")


_tracers = _Tracers()
