"""Kill workers at random moments over a stream of CSV jobs; every job must end completed, exactly once.

    make chaos        (200 kills)
    python benchmarks/chaos_csv.py --kills 12 --seed 1

Victims are drawn among the task processes, the pusher, the monitor, the sentinel and the whole group. Leases last
three seconds here, so that lost work comes back while you watch, and the number of attempts is not limited: the point
is that nothing is lost or counted twice, however often it is hit.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
MAX_WAIT_S = 120
CASES_BY_3 = 1000  # large enough that a job lasts a few tenths of a second


def prepare(folder: str) -> None:
    """Point Django at a place of its own; must run before it is imported."""
    os.environ.update(
        DATA_DIR=folder, EVALUATION_LEASE_SECONDS="3", EVALUATION_MAX_ATTEMPTS="1000", LOG_LEVEL="ERROR",
        DJANGO_SETTINGS_MODULE="lunasite.settings",
    )  # fmt: skip
    sys.path.insert(0, str(ROOT))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


class WorkerGroup:
    """`manage.py work evaluations` in a process group of its own."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def ensure(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.kill_all()
            command = [sys.executable, str(ROOT / "manage.py"), "work", "evaluations"]
            self.process = subprocess.Popen(command, start_new_session=True, cwd=ROOT)

    def members(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.process.pid)
            return [main, *main.children(recursive=True)]
        return []

    def kill_one(self, rng: random.Random, busy_pid: int | None) -> None:
        """Kill the process that runs a job every other time, any process otherwise, or all one time in ten."""
        members = self.members()
        busy = [member for member in members if member.pid == busy_pid]
        if busy and rng.random() < 0.5:
            members = busy
        if not members or rng.random() < 0.1:
            self.kill_all()
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            rng.choice(members).kill()

    def kill_all(self) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def run(kills: int, seed: int) -> dict[str, int]:
    """Return what happened; raises AssertionError when a job was lost or counted twice."""
    from django.db import connection

    from submissions.models import Evaluation, EvaluationEvent
    from submissions.tests import factories

    rng = random.Random(seed)
    user, phase = factories.make_member("chaos"), factories.make_phase(factories.make_dataset([0, 0, 1] * CASES_BY_3))
    group, done = WorkerGroup(), 0
    try:
        while done < kills:
            group.ensure()
            for _ in range(rng.randint(1, 3)):
                values = [rng.random() for _ in range(3 * CASES_BY_3)]
                factories.make_submission(user=user, phase=phase, values=values)
            busy_pid = wait_until_busy() if rng.random() < 0.8 else None
            time.sleep(rng.uniform(0.0, 0.04) if busy_pid else rng.uniform(0.0, 0.5))
            group.kill_one(rng, busy_pid)
            done += 1
        wait_until_finished(group)
    finally:
        group.kill_all()
    statuses = list(Evaluation.objects.values_list("status", flat=True))
    scored = EvaluationEvent.objects.filter(stage="scored").count()
    connection.close()
    assert set(statuses) == {"completed"}, f"not all completed: { {s: statuses.count(s) for s in set(statuses)} }"
    assert scored == len(statuses), f"{len(statuses)} jobs but {scored} scorings"
    return {"jobs": len(statuses), "kills": kills, "scored": scored, **attempts()}


def wait_until_busy() -> int | None:
    """Return the process that runs a job, so that the next kill has something to hit; None after three seconds."""
    from submissions.models import Evaluation

    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        if running := Evaluation.objects.filter(status="running").values_list("worker", flat=True).first():
            return int(running.rpartition(":")[2])
        time.sleep(0.01)
    return None


def wait_until_finished(group: WorkerGroup) -> None:
    from submissions.models import Evaluation

    unfinished = Evaluation.objects.filter(status__in=("pending", "running"))
    left, deadline = unfinished.count(), time.monotonic() + MAX_WAIT_S
    while left:
        assert time.monotonic() < deadline, f"{left} jobs are left over and nothing moves: lost"
        group.ensure()
        time.sleep(0.3)
        if (now_left := unfinished.count()) != left:
            left, deadline = now_left, time.monotonic() + MAX_WAIT_S


def attempts() -> dict[str, int]:
    from django.db.models import Max, Sum

    from leaderboard.models import Standing
    from submissions.models import Evaluation

    found = Evaluation.objects.aggregate(most=Max("attempt"), lost=Sum("failed_attempts"))
    return {"attempts lost and repeated": found["lost"], "most attempts of a job": found["most"],
            "standings": Standing.objects.count()}  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="lunasite-chaos-") as folder:
        prepare(folder)
        for name, value in run(options.kills, options.seed).items():
            print(f"{name}: {value}")
        print("every job ended completed exactly once")
