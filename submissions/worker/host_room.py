"""How many images this host runs at once: as many as its CPUs and memory hold under the limits of their phases.

CONTAINER_WORKERS bounds it, since each evaluation has a process of the worker. An evaluation that is larger than the
host runs alone.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import QuerySet

from submissions.database_clock import database_now
from submissions.models import Evaluation, Submission
from submissions.outages.hosts import this_host
from submissions.runner.base import EngineFault
from submissions.runner.contracts import CONTRACTS, default_contract
from submissions.worker import engine_host
from submissions.worker.container_evaluation import limits_of

log = structlog.get_logger(__name__)
# The rest is for the engine, the worker and the machine itself.
SHARE_OF_MEMORY = 0.9
# One that does not fit lets others pass for so long; then the host takes nothing behind it until it fits.
LETS_PASS = timedelta(minutes=10)


@dataclass(frozen=True)
class Room:
    """What a host has, or what evaluations take of it. gpus: a host's containers all get the same one."""

    cpus: float = 0.0
    memory_mib: float = 0.0
    gpus: int = 0

    def __add__(self, other: Room) -> Room:
        return Room(self.cpus + other.cpus, self.memory_mib + other.memory_mib, self.gpus + other.gpus)

    def holds(self, other: Room) -> bool:
        # CPUs are fractions such as 0.1, whose sums are not exact.
        fits = other.cpus <= self.cpus + 1e-6 and other.memory_mib <= self.memory_mib
        return fits and other.gpus <= self.gpus


@dataclass(frozen=True)
class KnownMachine:
    """The engine's machine, asked once for all evaluations that are looked at; 0: it does not say."""

    cpus: int
    memory_bytes: int

    def capacity(self) -> tuple[int, int]:
        return self.cpus, self.memory_bytes


@contextlib.contextmanager
def room_for(evaluation_ids: list[int]) -> Iterator[Iterable[int]]:
    """Give those of the evaluations, in their order, that this host has room for; no other process claims meanwhile."""
    with one_claim_at_a_time():
        yield fitting(evaluation_ids, machine_of_engine())


def machine_of_engine() -> KnownMachine:
    try:
        engine = engine_host.connect()
        try:
            return KnownMachine(*engine.capacity())
        finally:
            engine.close()
    except EngineFault as fault:  # the attempt meets it too, and says so
        log.warning("room unknown", reason=fault.note)
        return KnownMachine(0, 0)


def fitting(evaluation_ids: list[int], machine: KnownMachine) -> list[int]:
    """Return those that fit beside what runs here, none behind one that has waited for LETS_PASS."""
    running = running_here()
    taken = sum((footprint(evaluation.submission, machine) for evaluation in running), Room())
    here, now = room_of(machine), database_now()
    by_id = Evaluation.objects.select_related("submission").in_bulk(evaluation_ids)
    found = []
    for evaluation in (by_id[key] for key in evaluation_ids if key in by_id):
        if not running or here.holds(taken + footprint(evaluation.submission, machine)):
            found.append(evaluation.pk)
        elif now - evaluation.available_at > LETS_PASS:
            break
    return found


def running_here() -> QuerySet[Evaluation]:
    running = Evaluation.objects.running_on(this_host())
    return running.filter(submission__submission_type=Submission.Type.DOCKER).select_related("submission")


def room_of(machine: KnownMachine) -> Room:
    """Return what this host's containers may have together; what the engine does not say bounds nothing."""
    memory_mib = SHARE_OF_MEMORY * (machine.memory_bytes >> 20)
    return Room(machine.cpus or math.inf, memory_mib or math.inf, 1)


def footprint(submission: Submission, machine: KnownMachine) -> Room:
    """Return what an evaluation takes at most: its phase's limits for each container it has at once."""
    limits = limits_of(submission.limits, machine.cpus)
    contract = CONTRACTS[submission.contract or default_contract()]
    count = contract.lanes(limits, machine, settings.CONTAINER_WORKERS)
    return Room(limits.cpus * count, limits.memory_mib * count, int(limits.gpu))


@contextlib.contextmanager
def one_claim_at_a_time() -> Iterator[None]:
    """Hold this host's lock of claims; a killed worker lets go of it."""
    with open(engine_host.state_dir() / "claim.lock", "w") as lock:
        while not engine_host.is_locked(lock):
            time.sleep(0.02)
        yield
