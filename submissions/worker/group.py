"""The worker group of one queue on this host: heartbeat, health and periodic jobs beside django-q2's cluster."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections

from lunasite.files_at_rest import tell_wider_rights
from submissions import actions
from submissions.actions.db_retry import answers
from submissions.database_clock import database_now
from submissions.models import Worker
from submissions.outages import gate, incidents
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER
from submissions.worker.periodic_jobs import run_due_jobs

log = structlog.get_logger(__name__)
AWAY = (DatabaseError, InterfaceError)
BEAT_EVERY_S = 5.0
LOOK_EVERY_S = 0.5
# How long one answer of the database may take: the main process must obey SIGTERM meanwhile.
MAIN_ANSWER_S = 3.0
PAUSE_BEFORE_NEW_S = 2.0
EVALUATING_ANSWER_S = 60.0
# A CSV's process, and that of an errand, may be ended at any moment; that of an image first removes its containers.
END_WITHIN_S = {CSV_CLUSTER: 6.0, DOCKER_CLUSTER: 25.0, ERRANDS_CLUSTER: 6.0}


class WorkerGroup:
    """The processes that work through one queue on this host, until SIGTERM.

    The main process only sends heartbeats, so that nothing makes a worker look dead that is not. Two threads do what
    may take long: one probes the host and opens or shuts the gate, one runs the periodic jobs. probes: of the queue's
    hosts, beside those of every host.
    """

    def __init__(self, cluster: str, probes: actions.Probes) -> None:
        self.cluster, self.probes = cluster, probes
        self.name = f"{settings.WORKER_NAME}/{cluster}/{os.getpid()}"
        self.stopping = threading.Event()
        self.away_since: float | None = None
        self.children: list[psutil.Process] = []

    def run(self) -> None:
        """Start the cluster, then send heartbeats until it ends or is asked to."""
        from django_q.cluster import Cluster  # reads Q_CLUSTER_NAME at import

        os.environ["LUNASITE_WORKER"] = self.name
        tell_wider_rights(settings.DATA_DIR)
        gate.install()
        gate.set_shut(True)  # until this host was probed
        limit_database_waits(EVALUATING_ANSWER_S)
        connections.close_all()  # the children fork: they must not share a connection
        cluster = Cluster()
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        self._wait_for_database()
        if self.stopping.is_set():
            return
        try:
            cluster.start()
        except RuntimeError:  # its sentinel met a database that was away
            self._start_anew()
        limit_database_waits(MAIN_ANSWER_S)
        if self.cluster == DOCKER_CLUSTER:
            from submissions.worker.reaping import start_reaper  # only a worker that runs containers needs the engine

            start_reaper()
        self._start_thread("health", self._check_host)
        self._start_thread("periodic jobs", lambda: run_due_jobs(self.stopping))
        self._watch(cluster)
        self._stop(cluster)
        if not self.stopping.is_set():
            self._start_anew()

    def _wait_for_database(self) -> None:
        while not self.stopping.is_set() and not answers():
            log.warning("database away", worker=self.name)
            show_life()
            self.stopping.wait(BEAT_EVERY_S)
        connections.close_all()

    def _watch(self, cluster: Any) -> None:
        """Send heartbeats until the cluster ends or is to end."""
        next_beat = 0.0
        while cluster.sentinel.is_alive() and not self.stopping.is_set():
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + BEAT_EVERY_S
                self.children = psutil.Process().children(recursive=True)
                show_life()
                self._beat_or_note_outage()
            self.stopping.wait(LOOK_EVERY_S)

    def _start_anew(self) -> None:
        """Replace this process by a new one: django-q2's sentinel died, and what it guarded was ended with it."""
        log.error("the cluster ended by itself; starting anew", worker=self.name)
        time.sleep(PAUSE_BEFORE_NEW_S)
        os.execv(sys.executable, [sys.executable, sys.argv[0], "work", self.cluster])  # noqa: S606

    def _ask_to_stop(self, number: int, frame: Any) -> None:
        gate.stop()
        self.stopping.set()

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=self._repeat, args=(work,), name=name, daemon=True).start()

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self.stopping.is_set():
            try:
                work()
            except AWAY as error:
                log.warning("database away", reason=type(error).__name__)
                connection.close()
            except Exception:
                log.exception("a thread of the worker failed; it goes on")
            self.stopping.wait(BEAT_EVERY_S)
        connection.close()

    def _check_host(self) -> None:
        gate.set_shut(not actions.may_claim(self.cluster, self.probes))

    # The heartbeat

    def _beat_or_note_outage(self) -> None:
        try:
            self._beat()
            if self.away_since is not None:
                incidents.record_database_outage(time.monotonic() - self.away_since)
                self.away_since = None
        except AWAY:
            log.warning("database away", worker=self.name)
            self.away_since = self.away_since or time.monotonic()
            connections.close_all()

    def _beat(self) -> None:
        now = database_now()
        facts = {"seen_at": now, "host": settings.WORKER_NAME, "cluster": self.cluster, "pid": os.getpid(),
                 "code_version": settings.CODE_VERSION}  # fmt: skip
        Worker.objects.update_or_create(name=self.name, defaults=facts, create_defaults=facts | {"started_at": now})

    # The end

    def _stop(self, cluster: Any) -> None:
        """Requeue running attempts first, so that their processes notice, clean up and end; then end the cluster."""
        gate.stop()
        # Children of a dead sentinel are no longer found below this process, so those seen before count too.
        children = list({*self.children, *psutil.Process().children(recursive=True)})
        try:
            released = actions.release(worker=self.name)
            Worker.objects.filter(name=self.name).delete()
            log.info("worker stops", worker=self.name, released=released)
        except AWAY:
            log.warning("stopping without the database; leases will expire", worker=self.name)
        connections.close_all()
        cluster.stop_event.set()
        cluster.sentinel.join(timeout=END_WITHIN_S[self.cluster])
        end_processes(children)


def show_life() -> None:
    """Touch WORKER_ALIVE_PATH: a container's health check asks how old it is, whether or not the database answers."""
    if settings.WORKER_ALIVE_PATH:
        Path(settings.WORKER_ALIVE_PATH).touch()


def limit_database_waits(seconds: float) -> None:
    """Give up on a database that does not answer one query for so long; holds for connections made from now on."""
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["answer_seconds"] = seconds


def end_processes(processes: list[psutil.Process]) -> None:
    """End what is left of a cluster: its attempts went back to the queue, and write nothing any more."""
    left = [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    if left:
        log.warning("processes did not end in time", count=len(left))
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
