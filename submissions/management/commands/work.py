"""Process one queue: a django-q2 cluster with heartbeat, periodic jobs and a clean shutdown; or one evaluation."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from submissions import actions, tasks
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER

NOTHING_TO_DO = 3
QUEUES = (CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER)


class Command(BaseCommand):
    help = (
        f"Work through a queue until stopped: '{CSV_CLUSTER}' scores CSVs, '{DOCKER_CLUSTER}' runs images, "
        f"'{ERRANDS_CLUSTER}' sends mails and webhooks and imports datasets."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("cluster", nargs="?", default=CSV_CLUSTER, choices=QUEUES)
        parser.add_argument(
            "--one", action="store_true",
            help=f"take one evaluation and end, for batch systems and cron; exit status {NOTHING_TO_DO}: none to take",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        cluster = options["cluster"]
        if options["one"] and cluster == ERRANDS_CLUSTER:
            raise CommandError(f"--one takes one evaluation; '{ERRANDS_CLUSTER}' has none.")
        if options["one"]:
            self._work_one(cluster)
            return
        if cluster == DOCKER_CLUSTER and settings.EVALUATION_ENGINE == "slurm":
            from submissions.worker.coordinator import Coordinator  # holds jobs of a cluster, without django-q2

            Coordinator(tasks.engine_probes, tasks.run_image).run()
            return
        if os.environ.get("Q_CLUSTER_NAME", CSV_CLUSTER) != cluster:
            # django-q2 reads the name once, at import: restart the process with it set.
            os.environ["Q_CLUSTER_NAME"] = cluster
            os.execv(sys.executable, [sys.executable, sys.argv[0], "work", cluster])  # noqa: S606
        from submissions.worker.group import WorkerGroup  # django-q2's cluster is needed only here

        WorkerGroup(cluster, tasks.engine_probes).run()

    def _work_one(self, cluster: str) -> None:
        group = f"{settings.WORKER_NAME}/{cluster}/one-{os.getpid()}"
        worker = f"{group}:{os.getpid()}"
        signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=give_back, args=(group,)).start())
        done = actions.work_without_messages(
            cluster=cluster, worker=worker, run_image=tasks.run_image, probes=tasks.engine_probes,
            room=tasks.host_room,
        )  # fmt: skip
        if not done:
            self.stdout.write("Nothing to take: the queue is empty or paused, or this host is full or must not work.")
            raise SystemExit(NOTHING_TO_DO)


def give_back(group: str) -> None:
    """Return the attempt of this process to the queue; it then notices, removes its containers and ends."""
    actions.release(worker=group)
    connection.close()
