"""The health of this host: a sick one takes itself out, is shown as such, and comes back when its probes pass.

Two ways lead into quarantine: a probe fails here (clock, disk, engine, or storage that other hosts reach), or attempts
keep failing here by our fault while other hosts succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Max, QuerySet

from submissions.database_clock import database_now
from submissions.faults import SharedPart
from submissions.models import Host, Incident, Worker
from submissions.outages import incidents, pauses, probes

log = structlog.get_logger(__name__)
Probe = Callable[[], str]
IMAGES_CLUSTER = "containers"  # actions.queue.DOCKER_CLUSTER, which imports this package
FAILURES_TO_QUARANTINE = 3
QUARANTINE = timedelta(minutes=10)
OTHERS_WITHIN = timedelta(minutes=10)
ANSWERED_WITHIN = timedelta(seconds=15)
# A host probes every five seconds or so: an answer so much later than this host's own came after it failed here.
LATER_PROBE = timedelta(seconds=10)
# Begins the reason of a quarantine for what only images need: this host's CSVs go on.
IMAGES_ONLY = "for images only: "


def this_host() -> str:
    return str(settings.WORKER_NAME)[:120]


def check_this_host(engine_probes: Sequence[Probe] = ()) -> bool:
    """Probe this host, write down what was found, and return whether it may claim work.

    engine_probes: further probes, each returning a problem or ""; the workers of images pass their engine's. What they
    find is no matter of the workers of CSVs on the same host.
    """
    name, now = this_host(), database_now()
    host, _ = Host.objects.get_or_create(name=name, defaults={"seen_at": now})
    storage = probes.storage_problem()
    facts = {"seen_at": now} | ({} if storage else {"storage_answered_at": now})
    Host.objects.filter(name=name).update(**facts)
    host.refresh_from_db()
    problem = first_problem([probes.clock_problem, probes.disk_problem])
    if not problem and storage:
        is_alone = misses_storage_alone(now)
        if is_alone is None:
            return False
        if is_alone:
            problem = f"{storage}, which other hosts reach"
        else:
            incidents.open_incident(SharedPart(Incident.Part.STORAGE), storage)
    if not problem and engine_probes and (trouble := first_problem(engine_probes)):
        problem = f"{IMAGES_ONLY}{trouble}"
    elif not problem and not engine_probes and host.quarantine_reason.startswith(IMAGES_ONLY):
        return not pauses.is_drained(name)  # the workers of images probe that, and end it
    Host.objects.filter(name=name).update(problem=problem[:500])
    if problem:
        quarantine(host, problem, now)
    elif host.quarantined_at and may_return(host, now):
        end_quarantine(name)
        host.quarantined_at = None
    return not problem and host.quarantined_at is None and not pauses.is_drained(name)


def first_problem(checks: Sequence[Probe]) -> str:
    return next((problem for check in checks if (problem := check())), "")


def misses_storage_alone(now: datetime) -> bool | None:
    """Return whether other hosts reach the storage that this one does not; None while that is not known yet.

    An answer that another host got before this one failed says nothing: as an outage begins, each has a recent one.
    """
    others = Host.objects.exclude(name=this_host()).filter(storage_answered_at__gte=now - ANSWERED_WITHIN)
    others_at = others.aggregate(last=Max("storage_answered_at"))["last"]
    if others_at is None:
        return False
    own_at = Host.objects.filter(name=this_host()).values_list("storage_answered_at", flat=True).first()
    return True if own_at is None or others_at - own_at >= LATER_PROBE else None


def may_return(host: Host, now: datetime) -> bool:
    """Return whether the quarantine may end: at once where a probe was the cause, else after a while."""
    is_by_probe = host.failures_in_a_row < FAILURES_TO_QUARANTINE
    return is_by_probe or (host.quarantined_at is not None and now - host.quarantined_at >= QUARANTINE)


def quarantine(host: Host, reason: str, now: datetime) -> None:
    fresh = Host.objects.filter(name=host.name, quarantined_at=None)
    if fresh.update(quarantined_at=now, quarantine_reason=reason[:500]):
        log.error("host in quarantine", host=host.name, reason=reason)
        incidents.open_incident(SharedPart(Incident.Part.HOST, host.name), reason)


def end_quarantine(name: str) -> bool:
    """Let a host take work again; return whether it was in quarantine. After failures, one more sends it back."""
    rows = Host.objects.filter(name=name).exclude(quarantined_at=None)
    rows.filter(failures_in_a_row__gte=FAILURES_TO_QUARANTINE).update(failures_in_a_row=FAILURES_TO_QUARANTINE - 1)
    ended = rows.update(quarantined_at=None, quarantine_reason="") > 0
    incidents.close(Incident.Part.HOST, name)
    return ended


def record_success(name: str) -> None:
    Host.objects.filter(name=name).update(failures_in_a_row=0, last_success_at=database_now())


def record_failure(name: str, code: str) -> bool:
    """Count an attempt that failed here by our fault; return whether the host is in quarantine now."""
    now = database_now()
    host, _ = Host.objects.get_or_create(name=name, defaults={"seen_at": now})
    Host.objects.filter(name=name).update(failures_in_a_row=F("failures_in_a_row") + 1)
    host.refresh_from_db()
    others = Host.objects.exclude(name=name).filter(last_success_at__gte=now - OTHERS_WITHIN)
    if host.failures_in_a_row >= FAILURES_TO_QUARANTINE and others.exists():
        quarantine(host, f"{host.failures_in_a_row} attempts in a row failed here ({code}) and not elsewhere", now)
        return True
    return host.quarantined_at is not None


def out_of_work(cluster: str) -> QuerySet[Host]:
    """Return the hosts whose quarantine holds for a queue."""
    out = Host.objects.exclude(quarantined_at=None)
    return out if cluster == IMAGES_CLUSTER else out.exclude(quarantine_reason__startswith=IMAGES_ONLY)


def others_serve(cluster: str) -> bool:
    """Return whether another host takes work of this queue now."""
    out = out_of_work(cluster).values("name")
    alive = Worker.objects.alive(database_now()).filter(cluster=cluster).exclude(host=this_host())
    return alive.exclude(host__in=out).exists()
