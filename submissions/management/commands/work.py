"""Process one queue: a django-q2 cluster with heartbeat, periodic jobs and a clean shutdown."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connections
from django.utils import timezone

from submissions import actions
from submissions.actions.queue import CLUSTERS, CSV_CLUSTER, DOCKER_CLUSTER
from submissions.models import PeriodicJob, Worker
from submissions.uploads.resumable import drop_expired

log = structlog.get_logger(__name__)
BEAT_EVERY_S = 5.0
LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    help = f"Work through a queue until stopped: '{CSV_CLUSTER}' scores CSVs, '{DOCKER_CLUSTER}' runs images."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("cluster", nargs="?", default=CSV_CLUSTER, choices=CLUSTERS.values())

    def handle(self, *args: Any, **options: Any) -> None:
        cluster = options["cluster"]
        if os.environ.get("Q_CLUSTER_NAME", CSV_CLUSTER) != cluster:
            # django-q2 reads the name once, at import: restart the process with it set.
            os.environ["Q_CLUSTER_NAME"] = cluster
            os.execv(sys.executable, [sys.executable, sys.argv[0], "work", cluster])  # noqa: S606
        Work(cluster).run()


class Work:
    """The worker process group for one queue of this host."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.name = f"{settings.WORKER_NAME}/{cluster}/{os.getpid()}"
        self.is_stopping = False
        self.next_beat = 0.0

    def run(self) -> None:
        """Start the cluster, then send heartbeats and run periodic jobs until it ends."""
        from django_q.cluster import Cluster  # reads Q_CLUSTER_NAME at import

        os.environ["LUNASITE_WORKER"] = self.name
        connections.close_all()  # the children fork: they must not share a connection
        cluster = Cluster()
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        cluster.start()
        if self.cluster == DOCKER_CLUSTER:
            from submissions.worker.reaping import start_reaper  # only a worker that runs containers needs the engine

            start_reaper()
        while cluster.sentinel.is_alive() and not self.is_stopping:
            self._beat_when_due()
            time.sleep(LOOK_EVERY_S)
        self._stop(cluster)

    def _ask_to_stop(self, number: int, frame: Any) -> None:
        self.is_stopping = True

    def _beat_when_due(self) -> None:
        if time.monotonic() < self.next_beat:
            return
        self.next_beat = time.monotonic() + BEAT_EVERY_S
        try:
            self._beat()
            run_due_jobs(self.cluster)
        except DatabaseError:
            log.warning("database away", worker=self.name)
            connections.close_all()

    def _beat(self) -> None:
        now = timezone.now()
        facts = {"seen_at": now, "host": settings.WORKER_NAME, "cluster": self.cluster, "pid": os.getpid(),
                 "code_version": settings.CODE_VERSION}  # fmt: skip
        Worker.objects.update_or_create(name=self.name, defaults=facts, create_defaults=facts | {"started_at": now})

    def _stop(self, cluster: Any) -> None:
        """Requeue running attempts first, so that their processes notice, clean up and end; then end the cluster."""
        try:
            released = actions.release(worker=self.name)
            Worker.objects.filter(name=self.name).delete()
            log.info("worker stops", worker=self.name, released=released)
        except DatabaseError:
            log.warning("stopping without the database; leases will expire", worker=self.name)
        connections.close_all()
        cluster.stop()


def run_due_jobs(cluster: str) -> None:
    """Run the shared periodic jobs that are due; only one of all workers runs each."""
    lease_s = settings.EVALUATION_LEASE_SECONDS
    if PeriodicJob.acquire("sweep", min(20.0, lease_s)):
        actions.sweep()
    if PeriodicJob.acquire("expired uploads", 600):
        drop_expired()
    if PeriodicJob.acquire("forget workers", 3600):
        gone = timezone.now() - timedelta(days=1)
        Worker.objects.filter(seen_at__lt=gone).delete()
