"""GET /metrics in Prometheus' text format, right with several processes and several worker hosts.

Three sources, each read the way that stays right: what a web process counts (HTTP, predictions) from the
files that the processes of this host share (PROMETHEUS_MULTIPROC_DIR); what all hosts share (queue,
evaluations, workers, feedback, drift) from the database; this host's load from the system. django-prometheus'
own view would drop the second and third as soon as there are several processes.
"""

import os
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from lunasite.monitoring.metrics.database import DatabaseCollector
from lunasite.monitoring.metrics.system import SystemCollector

LOOPBACK = ("127.0.0.1", "::1")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        message = "Send 'Authorization: Bearer <METRICS_TOKEN>'; without that setting only this machine may read.\n"
        return HttpResponse(message, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    shared = CollectorRegistry(auto_describe=False)
    shared.register(DatabaseCollector())
    shared.register(SystemCollector())
    return HttpResponse(
        generate_latest(web_process_counters()) + generate_latest(shared), content_type=CONTENT_TYPE_LATEST
    )


def web_process_counters() -> CollectorRegistry:
    """Return what the web processes of this host counted: all of them, or this one where it is alone."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def may_read(request: HttpRequest) -> bool:
    """Let in whoever holds METRICS_TOKEN; without one, whoever asks on this machine itself."""
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        return secrets.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not is_forwarded
