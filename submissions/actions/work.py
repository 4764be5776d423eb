"""Take work: what a message, or a worker without messages, makes a host claim."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from lunasite.http.tracing import continued, span
from submissions.actions.evaluate import RunImage, evaluate
from submissions.actions.order.fair_order import next_evaluations
from submissions.actions.queue import CSV_CLUSTER, cluster_of, send_message, take_message, type_of
from submissions.actions.sweep import send_missing_messages
from submissions.database_clock import database_now
from submissions.models import Evaluation
from submissions.outages import gate, hosts, incidents, pauses
from submissions.outages.hosts import Probe

log = structlog.get_logger(__name__)
Probes = Callable[[str], list[Probe]]
# A host that was found healthy is not probed again so soon.
HEALTHY_FOR_S = 5.0
MAX_ROUNDS = 10
_healthy_until: dict[str, float] = {}


def work_on_message(*, evaluation_id: int, worker: str, run_image: RunImage, probes: Probes) -> None:
    """Do what a message asks for: run the evaluation whose turn it is in the queue of the one it names.

    On a host that must not work now the message goes back; in a queue that is closed it is dropped, and `sweep` sends
    it again when the queue opens.
    """
    named = Evaluation.objects.filter(pk=evaluation_id).select_related("submission").first()
    cluster = cluster_of(named) if named else CSV_CLUSTER
    if gate.is_stopping() or not may_claim(cluster, probes):
        gate.set_shut(True)
        send_message(evaluation_id, cluster)
        return
    work_once(cluster=cluster, worker=worker, run_image=run_image)


def work_once(*, cluster: str, worker: str, run_image: RunImage) -> bool:
    """Run the evaluation whose turn it is in a queue; return whether there was one."""
    if pauses.is_closed(cluster):
        log.info("queue closed", queue=cluster)
        return False
    for _ in range(MAX_ROUNDS):
        keys = candidates(cluster)
        if any(evaluate_traced(key, worker, run_image) for key in keys):
            return True
        if not keys:
            return False
    return False  # other workers were faster each time


def evaluate_traced(evaluation_id: int, worker: str, run_image: RunImage) -> bool:
    """Evaluate under the trace of the request that sent it; every log line names submission and evaluation."""
    found = Evaluation.objects.filter(pk=evaluation_id).values_list("submission_id", "traceparent").first()
    submission, traceparent = found or ("", "")
    named: dict[str, str | int] = {"submission": str(submission), "evaluation": evaluation_id}
    with (
        structlog.contextvars.bound_contextvars(**named),
        continued(traceparent),
        span("evaluate", **named),
    ):
        return evaluate(evaluation_id=evaluation_id, worker=worker, run_image=run_image)


def candidates(cluster: str) -> list[int]:
    """Return the evaluations that this host may claim, the next one first."""
    host = hosts.this_host()
    avoiding = host if hosts.others_serve(cluster) else ""
    away = incidents.datasets_away()
    return next_evaluations(type_of(cluster), database_now(), datasets_away=away, avoiding=avoiding)


def work_without_messages(*, cluster: str, worker: str, run_image: RunImage, probes: Probes) -> bool:
    """Do the same for a worker that a batch system started; return whether there was an evaluation to run."""
    if not may_claim(cluster, probes):
        return False
    done = work_once(cluster=cluster, worker=worker, run_image=run_image)
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
