"""GET /metrics in Prometheus' text format, correct with several processes and several worker hosts.

There are three sources. Counts of the web processes (HTTP, predictions) come from the files that the processes of
this host share (PROMETHEUS_MULTIPROC_DIR). Metrics that all hosts share (queue, evaluations, workers, feedback, drift)
come from the database. This host's load comes from the system. The view of django-prometheus would drop the second and
third source as soon as there are several processes.
"""

import os
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from lunasite.http.limits.only_reading import only_reading
from lunasite.monitoring.metrics.database import DatabaseCollector
from lunasite.monitoring.metrics.parts import PartsCollector
from lunasite.monitoring.metrics.system import SystemCollector

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")  # the last as a socket of both kinds names the first


@only_reading
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        message = (
            "Send 'Authorization: Bearer <METRICS_TOKEN>'; without that setting only this machine may read, and "
            "behind a proxy nobody.\n"
        )
        return HttpResponse(message, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    shared = CollectorRegistry(auto_describe=False)
    shared.register(DatabaseCollector())
    shared.register(PartsCollector())
    shared.register(SystemCollector(is_one_process="PROMETHEUS_MULTIPROC_DIR" not in os.environ))
    return HttpResponse(
        generate_latest(web_process_counters()) + generate_latest(shared), content_type=CONTENT_TYPE_LATEST
    )


def web_process_counters() -> CollectorRegistry:
    """Return the counters of all web processes of this host, or of this process if it is the only one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def may_read(request: HttpRequest) -> bool:
    """Return whether the client sent METRICS_TOKEN; if none is set, whether the request comes from this machine.

    Behind a proxy every request comes from this machine, so there nobody may read without the token.
    """
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        return secrets.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    if settings.BEHIND_PROXY or settings.REST_FRAMEWORK["NUM_PROXIES"]:
        return False
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not is_forwarded
