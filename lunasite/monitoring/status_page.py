"""The status page for people, as HTML and JSON: the parts of the site, its queues and its models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from inference.model_service import engine
from lunasite.http.limits.only_reading import only_reading
from lunasite.monitoring.parts import ESSENTIAL, Part, can_serve, check_parts
from submissions.actions.queue import CLUSTERS, messages_taken, messages_waiting
from submissions.models import Evaluation, Worker
from submissions.queues import ERRANDS_CLUSTER

# The checks ask the database, the object store and the model process: one round serves all readers of so long.
KEEP_S = 5.0
TITLES = {"csv": "Predictions (CSV)", "docker": "Docker images", ERRANDS_CLUSTER: "Mails, webhooks, imports"}
# What people call each part of `check_parts`, and what it is for.
FOR_PEOPLE = {
    "database": ("Database", "pages, accounts, entries and scores"),
    "static files": ("Styles and scripts", "how the pages look"),
    "storage": ("File storage", "what teams send, and the images of datasets"),
    "cache": ("Cache", "limits on the number of requests"),
    "queue": ("Scoring", "the workers that score what was sent"),
    "engine": ("Running images", "the workers that run Docker images"),
    "errands": ("Errands", "mails, webhooks and imports of datasets"),
    "models": ("The site's own models", "the page Models and its API"),
    "mail": ("Mail", "confirmed addresses, news and reminders"),
    "proxy": ("Proxy", "from whose address a request comes"),
}


@dataclass(frozen=True)
class QueueState:
    """One queue. oldest_wait_s: how long the oldest waiting evaluation has waited, None when nothing waits."""

    name: str
    title: str
    workers: int
    waiting: int
    running: int
    oldest_wait_s: int | None

    @property
    def oldest_wait(self) -> str:
        """Return the wait in words, such as `1 h 12 min`."""
        hours, minutes = divmod((self.oldest_wait_s or 0) // 60, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@dataclass(frozen=True)
class SiteStatus:
    """What the page shows. models: name, state and version of each."""

    parts: dict[str, Part]
    queues: list[QueueState]
    models: list[dict[str, str]]

    @property
    def summary(self) -> str:
        """Return `ok`, `degraded` (pages are served, something waits) or `down`."""
        if not can_serve(self.parts):
            return "down"
        return "ok" if all(part.is_ok for part in self.parts.values()) else "degraded"

    def for_people(self) -> list[tuple[str, str, Part]]:
        """Return each part with its name and what it is for."""
        return [(*FOR_PEOPLE[name], part) for name, part in self.parts.items()]

    def as_dict(self) -> dict[str, Any]:
        parts = {name: asdict(part) | {"essential": name in ESSENTIAL} for name, part in self.parts.items()}
        queues = [asdict(queue) for queue in self.queues]
        return {"status": self.summary, "parts": parts, "queues": queues, "models": self.models}


class RecentStatus:
    """The last status, renewed when it is older than KEEP_S; one thread at a time looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status: SiteStatus | None = None
        self._looked_at = 0.0

    def get(self) -> SiteStatus:
        with self._lock:
            if self._status is None or time.monotonic() - self._looked_at > KEEP_S:
                self._status = look()
                self._looked_at = time.monotonic()
            return self._status

    def forget(self) -> None:
        with self._lock:
            self._status = None


recent = RecentStatus()


@never_cache
@only_reading
def status_page(request: HttpRequest) -> HttpResponse:
    """Answer the page, or JSON where the Accept header or `?format=json` asks for it; 503 when the site is down."""
    status = recent.get()
    code = 503 if status.summary == "down" else 200
    if request.GET.get("format") == "json" or not request.accepts("text/html"):
        return JsonResponse(status.as_dict(), status=code)
    return render(request, "monitoring/status.html", {"site_status": status}, status=code)


def look() -> SiteStatus:
    parts = check_parts()
    return SiteStatus(parts, list(queues()) if parts["database"].is_ok else [], models())


def queues() -> Iterator[QueueState]:
    now = timezone.now()
    # Those alone, by their index: the finished ones are many.
    unfinished = Evaluation.objects.filter(status__in=(Evaluation.Status.PENDING, Evaluation.Status.RUNNING))
    by_type = unfinished.values("submission__submission_type").order_by()
    waiting = Q(status=Evaluation.Status.PENDING)
    counted = by_type.annotate(
        waiting=Count("pk", filter=waiting),
        running=Count("pk", filter=Q(status=Evaluation.Status.RUNNING)),
        oldest=Min("created_at", filter=waiting),
    )
    rows: dict[str, Any] = {row["submission__submission_type"]: row for row in counted}
    alive = dict(Worker.objects.alive(now).values_list("cluster").order_by().annotate(Count("pk")))
    for kind, cluster in CLUSTERS.items():
        row = rows.get(kind) or {"waiting": 0, "running": 0, "oldest": None}
        wait = max(0, int((now - row["oldest"]).total_seconds())) if row["oldest"] else None
        yield QueueState(cluster, TITLES[kind], alive.get(cluster, 0), row["waiting"], row["running"], wait)
    errands = messages_waiting(ERRANDS_CLUSTER), messages_taken(ERRANDS_CLUSTER)
    yield QueueState(ERRANDS_CLUSTER, TITLES[ERRANDS_CLUSTER], alive.get(ERRANDS_CLUSTER, 0), *errands, None)


def models() -> list[dict[str, str]]:
    if not settings.LOAD_MODEL:
        return []
    return [
        {"name": model.name, "state": model.state, "version": model.version or ""} for model in engine().status().models
    ]
