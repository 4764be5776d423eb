"""What those who wait are told: whether anything works on their queue, why not, and about how long it takes."""

from __future__ import annotations

import math
import statistics
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Value
from django.db.models.functions import Now

from submissions.actions.queue import CLUSTERS, DOCKER_CLUSTER
from submissions.database_clock import database_now
from submissions.models import Evaluation, Incident, Pause, Submission, Worker
from submissions.models.outage import host_scope, queue_scope
from submissions.outages import pauses
from submissions.outages.hosts import out_of_work

KEEP_S = 5.0
RECENT = 20
RECENT_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Outlook:
    """The state of one queue. halted: why nothing moves, one sentence, or "". seconds: of a usual run, if known."""

    halted: str
    workers: int
    seconds: float | None

    def wait_s(self, place: int) -> int | None:
        """Return about how long the evaluation at this place waits until it starts; None where nobody can know."""
        if self.halted or self.seconds is None or not self.workers:
            return None
        return round(self.seconds * (place - 1) / self.workers)

    def sentence(self, place: int) -> str:
        if self.halted:
            return f"Waiting, place {place}. {self.halted}"
        wait_s = self.wait_s(place)
        about = "" if wait_s is None or wait_s < 5 else f"; it starts in about {in_words(wait_s)}"
        return f"Waiting in the queue, place {place}{about}."


def in_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"


_recent: dict[str, tuple[float, Outlook]] = {}
_lock = threading.Lock()


def outlook_of(submission_type: str) -> Outlook:
    """Return the state of a queue, at most KEEP_S old: pages ask for it every second."""
    if kept := _kept(submission_type):
        return kept
    fresh = look(submission_type)
    with _lock:
        _recent[submission_type] = (time.monotonic(), fresh)
    return fresh


def halted(submission_type: str) -> str:
    """Return why nothing of a queue moves, or ""; for pages that tell no times, in one query."""
    if kept := _kept(submission_type):
        return kept.halted
    return _Standstill.of(CLUSTERS[submission_type]).reason


def _kept(submission_type: str) -> Outlook | None:
    with _lock:
        kept = _recent.get(submission_type)
    return kept[1] if kept and time.monotonic() - kept[0] < KEEP_S else None


def forget() -> None:
    with _lock:
        _recent.clear()


def look(submission_type: str) -> Outlook:
    cluster = CLUSTERS[submission_type]
    processes = settings.CONTAINER_WORKERS if cluster == DOCKER_CLUSTER else settings.EVALUATION_WORKERS
    now = _Standstill.of(cluster)
    return Outlook(now.reason, now.groups * int(processes), usual_seconds(submission_type))


def working_groups(cluster: str) -> int:
    """Count the worker groups of a queue that take work now."""
    return _Standstill.of(cluster).groups


@dataclass(frozen=True)
class _Standstill:
    """What could halt a queue. pauses: reasons by scope. incidents: parts that are away. hosts: of living workers."""

    cluster: str
    pauses: dict[str, str]
    incidents: set[str]
    hosts: list[str]
    quarantined: set[str]

    @classmethod
    def of(cls, cluster: str) -> _Standstill:
        """Read all four tables in one query: each has a handful of rows that count."""
        alive = Worker.objects.alive(Now()).filter(cluster=cluster)
        tables = {
            "pause": Pause.objects.values_list("scope", "reason"),
            "incident": Incident.objects.open().filter(scope="").values_list("part", Value("")),
            "host": alive.values_list("host", Value("")),
            "quarantine": out_of_work(cluster).values_list("name", Value("")),
        }
        named = [rows.order_by().annotate(table=Value(name)) for name, rows in tables.items()]
        found: dict[str, list[tuple[str, str]]] = {name: [] for name in tables}
        for name, text, table in named[0].union(*named[1:], all=True):
            found[table].append((name, text))
        first = {table: [name for name, _ in rows] for table, rows in found.items()}
        return cls(cluster, dict(found["pause"]), set(first["incident"]), first["host"], set(first["quarantine"]))

    @property
    def groups(self) -> int:
        """How many worker groups take work now: alive, on a host neither drained nor in quarantine."""
        return sum(host not in self.quarantined and host_scope(host) not in self.pauses for host in self.hosts)

    @property
    def reason(self) -> str:
        if (paused := self.pauses.get(queue_scope(self.cluster))) is not None:
            reason = f": {paused.rstrip('.')}" if paused else ""
            return f"The organisers have paused this queue{reason}."
        if any(self.cluster in pauses.WAITS_FOR.get(part, ()) for part in self.incidents):
            return "A part of ours does not answer now; what was sent is kept and goes on by itself."
        if not self.groups:
            what = "images" if self.cluster == DOCKER_CLUSTER else "predictions"
            return f"No worker for {what} is running now; what was sent is kept until one starts."
        return ""


def usual_seconds(submission_type: str) -> float | None:
    """Return the median run time of the last evaluations of this type, None where there were none lately.

    Of images it is rounded up to a minute: a run's seconds may tell something of the hidden cases.
    """
    done = Evaluation.objects.filter(
        status=Evaluation.Status.COMPLETED,
        submission__submission_type=submission_type,
        finished_at__gte=database_now() - RECENT_WITHIN,
    )
    times = [
        (finished - started).total_seconds()
        for started, finished in done.order_by("-pk").values_list("started_at", "finished_at")[:RECENT]
        if started and finished
    ]
    if not times:
        return None
    median = max(0.0, statistics.median(times))
    return math.ceil(median / 60) * 60.0 if submission_type == Submission.Type.DOCKER else median
