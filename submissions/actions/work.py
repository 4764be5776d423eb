"""Take work: what a message, or a worker without messages, makes a host claim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from enum import Enum

import structlog

from lunasite.http.tracing import continued, span
from submissions.actions.evaluate import RunImage, claim, run_attempt
from submissions.actions.order.fair_order import next_evaluations
from submissions.actions.queue import CSV_CLUSTER, cluster_of, send_message, take_message, type_of
from submissions.actions.sweep import send_missing_messages
from submissions.database_clock import database_now
from submissions.models import Evaluation
from submissions.outages import gate, hosts, incidents, pauses
from submissions.outages.hosts import Probe

log = structlog.get_logger(__name__)
Probes = Callable[[str], list[Probe]]
# Gives those of the evaluations, in their order, that the host has room for; holds the room until one is claimed.
Room = Callable[[list[int]], AbstractContextManager[Iterable[int]]]
# A host that was found healthy is not probed again so soon.
HEALTHY_FOR_S = 5.0
MAX_ROUNDS = 10
_healthy_until: dict[str, float] = {}


class Turn(Enum):
    """What came of a turn: an evaluation was run, there was none, or the host has no room for those that wait."""

    RAN = "ran"
    NOTHING = "nothing"
    FULL = "full"


def work_on_message(
    *, evaluation_id: int, worker: str, run_image: RunImage, probes: Probes, room: Room | None = None
) -> None:
    """Do what a message asks for: run the evaluation whose turn it is in the queue of the one it names.

    On a host that must not work now, or has no room, the message goes back, and the host takes none until it looks
    again; in a queue that is closed it is dropped, and `sweep` sends it again when the queue opens.
    room: of a host that runs images; None: one evaluation a process is all there is to keep to.
    """
    named = Evaluation.objects.filter(pk=evaluation_id).select_related("submission").first()
    cluster = cluster_of(named) if named else CSV_CLUSTER
    if gate.is_stopping() or not may_claim(cluster, probes):
        gate.set_shut(True)
        send_message(evaluation_id, cluster)
        return
    if take_turn(cluster, worker, run_image, room) is Turn.FULL:
        gate.set_shut(True)
        send_message(evaluation_id, cluster)


def work_once(*, cluster: str, worker: str, run_image: RunImage, room: Room | None = None) -> bool:
    """Run the evaluation whose turn it is in a queue; return whether there was one that could be run here."""
    return take_turn(cluster, worker, run_image, room) is Turn.RAN


def take_turn(cluster: str, worker: str, run_image: RunImage, room: Room | None) -> Turn:
    if pauses.is_closed(cluster):
        log.info("queue closed", queue=cluster)
        return Turn.NOTHING
    for _ in range(MAX_ROUNDS):
        keys = candidates(cluster)
        if not keys:
            return Turn.NOTHING
        with room(keys) if room else nullcontext(keys) as fitting:
            fitting = list(fitting)
            claimed = next((mine for key in fitting if (mine := claim(key, worker))), None)
        if claimed:
            run_traced(claimed, run_image)
            return Turn.RAN
        if not fitting:
            return Turn.FULL
    return Turn.NOTHING  # other workers were faster each time


def run_traced(evaluation: Evaluation, run_image: RunImage) -> None:
    """Run under the trace of the request that sent it; every log line names submission and evaluation."""
    named: dict[str, str | int] = {"submission": str(evaluation.submission_id), "evaluation": evaluation.pk}
    with (
        structlog.contextvars.bound_contextvars(**named),
        continued(evaluation.traceparent),
        span("evaluate", **named),
    ):
        run_attempt(evaluation, run_image)


def candidates(cluster: str) -> list[int]:
    """Return the evaluations that this host may claim, the next one first."""
    host = hosts.this_host()
    avoiding = host if hosts.others_serve(cluster) else ""
    away = incidents.datasets_away()
    return next_evaluations(type_of(cluster), database_now(), datasets_away=away, avoiding=avoiding)


def work_without_messages(
    *, cluster: str, worker: str, run_image: RunImage, probes: Probes, room: Room | None = None
) -> bool:
    """Do the same for a worker that a batch system started; return whether there was an evaluation to run."""
    if not may_claim(cluster, probes):
        return False
    done = work_once(cluster=cluster, worker=worker, run_image=run_image, room=room)
    if done:
        take_message(cluster)
    return done


def forget() -> None:
    """Probe this host anew at the next claim."""
    _healthy_until.clear()


def may_claim(cluster: str, probes: Probes) -> bool:
    """Return whether this host may claim work now; it is probed, unless it was found healthy just now."""
    if time.monotonic() < _healthy_until.get(cluster, 0.0) and not pauses.is_drained(hosts.this_host()):
        return True
    healthy = hosts.check_this_host(probes(cluster))
    _healthy_until[cluster] = time.monotonic() + HEALTHY_FOR_S if healthy else 0.0
    return healthy


def reopen() -> None:
    """Probe what is away; send the messages of queues that opened again at once."""
    if incidents.probe_open_incidents():
        for cluster in ("evaluations", "containers"):
            send_missing_messages(cluster)
