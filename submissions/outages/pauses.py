"""What is stopped now: by staff (a queue, a host, submissions), or by an incident of a part that a queue needs."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction

from submissions.database_clock import database_now
from submissions.models import Incident, Pause
from submissions.models.audit import COMMAND_LINE, record
from submissions.models.outage import MAINTENANCE, host_scope, queue_scope

Part = Incident.Part
KEEP_S = 2.0
# The queues that wait while a part is away. A CSV is scored from the submissions' storage and the database alone.
WAITS_FOR: dict[str, tuple[str, ...]] = {
    Part.STORAGE: ("evaluations", "containers"),
    Part.DATASETS: ("containers",),
}


@transaction.atomic
def pause(scope: str, *, reason: str = "", actor: Any = None) -> None:
    """Stop a scope until `resume`; a second call changes the reason. actor: None for a management command."""
    by = actor.get_username() if actor else COMMAND_LINE
    row, _ = Pause.objects.update_or_create(
        scope=scope,
        defaults={"reason": reason[:300], "by": by[:150]},
        create_defaults={"reason": reason[:300], "by": by[:150], "since": database_now()},
    )
    record(actor, "pause", row, note=reason)


@transaction.atomic
def resume(scope: str, *, actor: Any = None) -> bool:
    """End a pause; return whether there was one."""
    row = Pause.objects.select_for_update().filter(scope=scope).first()
    if row is None:
        return False
    record(actor, "resume", row)
    row.delete()
    return True


def paused(scope: str) -> Pause | None:
    return Pause.objects.filter(scope=scope).first()


def maintenance() -> Pause | None:
    """Return the pause that makes the site read-only, or None."""
    return paused(MAINTENANCE)


_recent: tuple[float, Pause | None] = (float("-inf"), None)


def recent_maintenance() -> Pause | None:
    """Return the same, at most KEEP_S old: every page asks."""
    global _recent
    if time.monotonic() - _recent[0] > KEEP_S:
        _recent = (time.monotonic(), maintenance())
    return _recent[1]


def forget() -> None:
    global _recent
    _recent = (float("-inf"), None)


def is_drained(host: str) -> bool:
    return paused(host_scope(host)) is not None


def incident_of(cluster: str) -> Incident | None:
    """Return the open incident that makes a queue wait, the oldest one, or None."""
    parts = [part for part, clusters in WAITS_FOR.items() if cluster in clusters]
    return Incident.objects.open().filter(part__in=parts, scope="").order_by("opened_at").first()


def is_closed(cluster: str) -> bool:
    """Return whether no evaluation of this queue may be claimed now."""
    return paused(queue_scope(cluster)) is not None or incident_of(cluster) is not None
