"""The worker of a cluster: one process that holds as many evaluations as it has jobs, each in a thread that waits."""

from __future__ import annotations

import os
import signal
import threading

import structlog
from django.conf import settings
from django.db import connection, connections

from lunasite.files_at_rest import tell_wider_rights
from submissions import actions
from submissions.actions.evaluate import RunImage
from submissions.models import Worker
from submissions.outages import gate
from submissions.queues import DOCKER_CLUSTER
from submissions.worker.group import AWAY, EVALUATING_ANSWER_S, WorkerGroup, limit_database_waits, show_life
from submissions.worker.periodic_jobs import run_due_jobs
from submissions.worker.reaping import start_reaper

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 2.0
BEAT_EVERY_S = 5.0
JOBS_END_WITHIN_S = 60.0


class Coordinator(WorkerGroup):
    """Takes evaluations of images as long as fewer than `jobs_at_once` run; a thread of each waits for its job.

    run_image: as `tasks.run_image`.
    """

    def __init__(self, probes: actions.Probes, run_image: RunImage) -> None:
        super().__init__(DOCKER_CLUSTER, probes)
        self.run_image = run_image
        self.jobs_at_once = int(settings.SLURM["jobs_at_once"])
        self.running: set[threading.Thread] = set()
        self.found_nothing = threading.Event()

    def run(self) -> None:
        """Hold evaluations until SIGTERM."""
        os.environ["LUNASITE_WORKER"] = self.name
        tell_wider_rights(settings.DATA_DIR)
        limit_database_waits(EVALUATING_ANSWER_S)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        self._wait_for_database()
        start_reaper()
        self.hold()

    def hold(self) -> None:
        """Hold evaluations and send heartbeats until `stopping` is set; give back then what runs."""
        gate.install()
        gate.set_shut(True)  # until this host was probed
        self._start_thread("health", self._check_host)
        self._start_thread("periodic jobs", lambda: run_due_jobs(self.stopping))
        self._start_thread("takes work", self._take_work)
        while not self.stopping.is_set():
            show_life()
            self._beat_or_note_outage()
            self.stopping.wait(BEAT_EVERY_S)
        self._give_back()

    def _take_work(self) -> None:
        """Start a thread for each evaluation there is, until as many run as may."""
        while not self.stopping.is_set():
            self.running = {thread for thread in self.running if thread.is_alive()}
            if len(self.running) < self.jobs_at_once and gate.is_open():
                self.found_nothing.clear()
                thread = threading.Thread(target=self._work_once, name="evaluation", daemon=True)
                self.running.add(thread)
                thread.start()
                # One claim at a time; a thread that has one goes on by itself.
                if not self.found_nothing.wait(LOOK_EVERY_S / 4):
                    continue
            self.stopping.wait(LOOK_EVERY_S)

    def _work_once(self) -> None:
        try:
            worker = f"{self.name}:{threading.get_ident()}"
            if not actions.work_without_messages(
                cluster=self.cluster, worker=worker, run_image=self.run_image, probes=self.probes
            ):
                self.found_nothing.set()
        except AWAY as error:
            log.warning("database away", reason=type(error).__name__)
            self.found_nothing.set()
        finally:
            connection.close()

    def _give_back(self) -> None:
        """Requeue what runs; its threads notice, cancel their jobs and end."""
        gate.stop()
        try:
            released = actions.release(worker=self.name)
            Worker.objects.filter(name=self.name).delete()
            log.info("worker stops", worker=self.name, released=released)
        except AWAY:
            log.warning("stopping without the database; leases will expire", worker=self.name)
        connections.close_all()
        for thread in list(self.running):
            thread.join(timeout=JOBS_END_WITHIN_S)
