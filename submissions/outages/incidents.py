"""Incidents: a circuit breaker for each shared part. Open: its queue waits, uncounted. Probes close it.

A part that fails again soon after it came back continues its incident: staff get one mail, however often it wavers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django_q.tasks import async_task

from submissions.database_clock import database_now
from submissions.faults import SharedPart
from submissions.models import Incident, PeriodicJob
from submissions.outages import probes
from submissions.queues import CSV_CLUSTER

log = structlog.get_logger(__name__)
Part = Incident.Part
CONTINUES_WITHIN = timedelta(minutes=10)
PROBE_EVERY_S = 5.0
ALERT = "submissions.tasks.alert_incident"


def open_incident(shared: SharedPart, detail: str) -> Incident:
    """Open the incident of a part, or return the one that is open; staff are told once."""
    now = database_now()
    found = Incident.objects.filter(part=shared.part, scope=shared.scope)
    current = found.open().first()
    if current is not None:
        return current
    recent = found.filter(closed_at__gte=now - CONTINUES_WITHIN).order_by("-closed_at").first()
    try:
        with transaction.atomic():
            if recent is not None:
                Incident.objects.filter(pk=recent.pk).update(closed_at=None, probe_key=shared.key, detail=detail)
                return recent
            incident = Incident.objects.create(
                part=shared.part, scope=shared.scope, detail=detail[:20_000], probe_key=shared.key, opened_at=now
            )
            async_task(ALERT, incident.pk, cluster=CSV_CLUSTER)
    except IntegrityError:  # another worker opened it at the same moment
        return found.open()[0]
    log.warning("incident opened", part=shared.part, scope=shared.scope, detail=detail[:200])
    return incident


def count_waiting(incident: Incident) -> None:
    Incident.objects.filter(pk=incident.pk).update(waiting=F("waiting") + 1)


def close(part: str, scope: str = "") -> bool:
    """Close the open incident of a part; return whether there was one."""
    closed = Incident.objects.open().filter(part=part, scope=scope).update(closed_at=database_now()) > 0
    if closed:
        log.warning("incident closed", part=part, scope=scope)
    return closed


def probe_open_incidents() -> int:
    """Probe the part of each open incident, each by one worker at a time; return how many were closed."""
    closed = 0
    for incident in Incident.objects.open().filter(part__in=PROBES):
        if not PeriodicJob.acquire(f"probe incident {incident.pk}"[:40], PROBE_EVERY_S):
            continue
        if PROBES[incident.part](incident.probe_key):
            closed += close(incident.part, incident.scope)
    return closed


def record_database_outage(seconds: float) -> None:
    """Write down that the database was away, after it came back, and tell staff once."""
    now = database_now()
    incident = open_incident(SharedPart(Part.DATABASE), f"It did not answer for {seconds:.0f} s.")
    started = now - timedelta(seconds=seconds)
    Incident.objects.filter(pk=incident.pk, opened_at__gt=started).update(opened_at=started)
    Incident.objects.filter(pk=incident.pk).update(closed_at=now)


def datasets_away() -> list[int]:
    """Return the primary keys of datasets whose files cannot be read now."""
    scopes = Incident.objects.open().filter(part=Part.DATASET).values_list("scope", flat=True)
    return [int(scope) for scope in scopes if scope.isdigit()]


PROBES: dict[str, Callable[[str], bool]] = {
    Part.STORAGE: lambda key: probes.is_readable("default", key),
    Part.DATASETS: lambda key: probes.is_readable("datasets", key),
    Part.DATASET: lambda key: probes.is_there("datasets", key),
}
