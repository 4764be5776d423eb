"""What becomes of an attempt that met a fault of ours: it waits uncounted for a shared part, or it goes elsewhere."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction

from submissions.actions.finish import requeue
from submissions.actions.queue import cluster_of
from submissions.database_clock import database_now
from submissions.faults import PlatformError
from submissions.models import Evaluation, Host, Incident
from submissions.outages import hosts, incidents

log = structlog.get_logger(__name__)
# Codes that tell something of the host; the others (dataset, metric, registry) fail on every host alike.
HOST_CODES = ("SYSTEM_ENGINE", "SYSTEM_DISK", "SYSTEM_STORAGE", "SYSTEM_ERROR")
# So often one evaluation may wait uncounted: a part that always fails for it alone is its own trouble after all.
MAX_UNCOUNTED = 50
WAITING = "waiting"
BUSY_WAIT_S = 2.0


def settle_platform_fault(*, evaluation: Evaluation, fault: PlatformError) -> None:
    """Record a fault of ours. Raises StatusConflict when the attempt is no longer ours."""
    host = hosts.this_host()
    uncounted = evaluation.events.filter(stage=WAITING).count() < MAX_UNCOUNTED
    if fault.shared is not None and uncounted:
        is_own = is_of_this_host(fault)
        if is_own is None:
            put_back(evaluation=evaluation, staff_detail=_text(fault), wait_s=hosts.LATER_PROBE.total_seconds())
            return
        if is_own:
            _take_out(host, fault)
            put_back(evaluation=evaluation, staff_detail=_text(fault), avoid_host=host)
            return
        incident = incidents.open_incident(fault.shared, _text(fault))
        put_back(evaluation=evaluation, staff_detail=_text(fault))
        incidents.count_waiting(incident)
        return
    is_sick = fault.code in HOST_CODES and hosts.record_failure(host, fault.code)
    if is_sick and uncounted:
        put_back(evaluation=evaluation, staff_detail=_text(fault), avoid_host=host)
        return
    requeue(evaluation=evaluation, code=fault.code, staff_detail=_detail(fault), avoid_host=host)


def settle_database_fault(*, evaluation: Evaluation, staff_detail: str) -> None:
    """Record that the database was away or busy meanwhile: uncounted, unless it happens again and again.

    Raises StatusConflict when the attempt is no longer ours.
    """
    if evaluation.events.filter(stage=WAITING).count() < MAX_UNCOUNTED:
        put_back(evaluation=evaluation, staff_detail=staff_detail, wait_s=BUSY_WAIT_S)
    else:
        requeue(evaluation=evaluation, code="SYSTEM_ERROR", staff_detail=staff_detail)


def is_of_this_host(fault: PlatformError) -> bool | None:
    """Return whether the part is this host's own, as its engine, or a store that answers others; None: not known."""
    part = fault.shared.part if fault.shared else ""
    if part not in (Incident.Part.STORAGE, Incident.Part.DATASETS):
        return part == Incident.Part.HOST
    is_alone = hosts.misses_storage_alone(database_now())
    # A host that reaches the submissions reaches the datasets' server as well: then nobody has those.
    return is_alone if part == Incident.Part.STORAGE else bool(is_alone)


def _take_out(host: str, fault: PlatformError) -> None:
    now = database_now()
    row, _ = Host.objects.get_or_create(name=host, defaults={"seen_at": now})
    is_own = fault.shared is not None and fault.shared.part == Incident.Part.HOST
    reason = f"{hosts.IMAGES_ONLY}{_text(fault)}" if is_own else f"{_text(fault)}, which other hosts reach"
    hosts.quarantine(row, reason, now)


def put_back(*, evaluation: Evaluation, staff_detail: str, avoid_host: str = "", wait_s: float = 0.0) -> None:
    """Return an attempt to the queue without counting it. Raises StatusConflict when it is no longer ours."""
    with transaction.atomic():
        evaluation.transition_to(
            Evaluation.Status.PENDING, lease_until=None, stage="queued", enqueued_at=None, avoid_host=avoid_host,
            available_at=database_now() + timedelta(seconds=wait_s), staff_detail=staff_detail[:20_000],
        )  # fmt: skip
        sentence = "A part of ours does not answer; the evaluation waits and goes on by itself, uncounted."
        evaluation.add_event(WAITING, sentence, staff_detail[:20_000])
    log.warning("evaluation waits", evaluation=evaluation.pk, cluster=cluster_of(evaluation), reason=staff_detail[:200])


def _detail(fault: PlatformError) -> str:
    return f"{fault.note} {fault.staff_detail}".strip()


def _text(fault: PlatformError) -> str:
    return f"{fault.code}: {_detail(fault)}"
