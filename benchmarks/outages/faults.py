"""The faults. Each takes the running site and its services, breaks one thing, mends it, and returns what it saw.

A fault that returns normally needed no hand; `seconds` is the time from the mending to the last evaluation's end.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.outages.engine import Engine
from benchmarks.outages.services import ObjectStore, Postgres
from benchmarks.outages.site import Site, end, wait_until

HEALS_WITHIN_S = 600.0


@dataclass
class Stage:
    site: Site
    postgres: Postgres
    objects: ObjectStore
    engine: Engine
    away_s: float = 30.0
    notes: list[str] = field(default_factory=list)
    # Of the faults of the engine, which alone need them.
    image_phase: str = ""
    archive: bytes = b""


Fault = Callable[[Stage], float]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def register(run: Fault) -> Fault:
        FAULTS[name] = run
        return run

    return register


def counted_attempts(stage: Stage) -> int:
    from submissions.models import Evaluation

    rows = Evaluation.objects.filter(submission__in=stage.site.acknowledged)
    return rows.exclude(failed_attempts=0).count()


@fault("S3 away under 30 pending")
def s3_away(stage: Stage) -> float:
    return _storage(stage, stage.objects.kill, stage.objects.start_again)


@fault("S3 hung under 30 pending")
def s3_hung(stage: Stage) -> float:
    return _storage(stage, stage.objects.hang, stage.objects.go_on)


def _storage(stage: Stage, break_it: Callable[[], None], mend: Callable[[], None]) -> float:
    from submissions.models import Incident

    before = Incident.objects.count()
    stage.site.submit_many(30)
    break_it()
    stage.site.start_worker()
    time.sleep(stage.away_s)
    mend()
    seconds = stage.site.wait_until_done(HEALS_WITHIN_S)
    new = Incident.objects.count() - before
    stage.notes.append(f"{new} new incidents, {counted_attempts(stage)} attempts counted")
    return seconds


@fault("PostgreSQL hung for 35 s")
def database_hung(stage: Stage) -> float:
    site = stage.site
    site.start_worker()
    site.submit_many(10)
    with site.load():
        time.sleep(2)
        stage.postgres.hang()
        pages, lives, until = [], [], time.monotonic() + 35
        while time.monotonic() < until:
            pages.append(site.get("/"))
            lives.append(site.get("/live"))
            time.sleep(0.5)
        stage.postgres.go_on()
    statuses = sorted({status for status, _ in pages})
    slowest = max(seconds for _, seconds in pages)
    live = all(status == 200 for status, _ in lives)
    slowest_live = max(seconds for _, seconds in lives)
    stage.notes.append(f"pages {statuses}, slowest {slowest:.1f} s; /live 200 throughout: {live}, slowest "
                       f"{slowest_live:.1f} s; {counted_attempts(stage)} attempts counted")  # fmt: skip
    assert statuses == [503], f"pages answered {statuses}"
    assert slowest < 5, f"a page took {slowest:.1f} s"
    assert live, "/live did not answer 200"
    return site.wait_until_done(HEALS_WITHIN_S)


@fault("PostgreSQL killed and started again")
def database_crash(stage: Stage) -> float:
    site = stage.site
    site.start_worker()
    with site.load():
        time.sleep(3)
        stage.postgres.crash()
        time.sleep(5)
        stage.postgres.start()
        time.sleep(5)
    return site.wait_until_done(HEALS_WITHIN_S)


@fault("a host whose clock is an hour ahead, beside a healthy one")
def sick_clock(stage: Stage) -> float:
    from submissions.models import Evaluation

    site = stage.site
    faketime = next((path for path in FAKETIME if os.path.exists(path)), None)
    if faketime is None:
        raise FileNotFoundError("libfaketime: apt-get install faketime")
    ahead = {"LD_PRELOAD": faketime, "FAKETIME": "+3600s", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
             "FAKETIME_NO_CACHE": "1"}  # fmt: skip
    site.start_worker("host-sick", ahead)
    site.start_worker("host-well")
    site.submit_many(24)
    seconds = site.wait_until_done(HEALS_WITHIN_S)
    done = Evaluation.objects.filter(submission__in=site.acknowledged, status="completed")
    stage.notes.append(
        f"{done.filter(worker__startswith='host-well').count()} of {done.count()} by the healthy host; "
        f"{counted_attempts(stage)} attempts counted"
    )
    return seconds


FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


@fault("10,000 pending, one worker")
def backlog(stage: Stage) -> float:
    from django.utils import timezone
    from django_q.models import OrmQ

    from submissions.models import Evaluation, Submission, Worker

    site = stage.site
    site.submit_many(1)
    template = Submission.objects.get(pk=site.acknowledged[0])
    from benchmarks.outages.backlog import fill

    fill(template, 10_000)
    worker = site.start_worker()
    oldest, most, until = 0.0, 0, time.monotonic() + 60
    wait_until(lambda: Worker.objects.exists(), 60, "no worker")
    while time.monotonic() < until:
        seen = Worker.objects.latest("seen_at").seen_at
        oldest = max(oldest, (timezone.now() - seen).total_seconds())
        rows = Evaluation.objects.filter(status__in=("pending", "running")).count()
        most = max(most, OrmQ.objects.count() - rows)
        time.sleep(1)
    took_s = end(worker)
    site.workers.remove(worker)
    left = Evaluation.objects.filter(status="pending").count()
    stage.notes.append(
        f"heartbeat at most {oldest:.1f} s old, messages less rows at most {most}, {10_001 - left} scored in 60 s, "
        f"SIGTERM obeyed in {took_s:.1f} s"
    )
    assert oldest < 15, f"heartbeat {oldest:.1f} s old"
    assert most <= 4, f"{most} messages more than rows"  # those just taken, whose row was finished meanwhile
    assert took_s < 10, f"SIGTERM took {took_s:.1f} s"
    keep = site.acknowledged
    Submission.objects.exclude(pk__in=keep).delete()
    OrmQ.objects.all().delete()
    site.start_worker()
    return site.wait_until_done(HEALS_WITHIN_S)


@fault("mail server that never answers")
def mail_black_hole(stage: Stage) -> float:
    """An incident's mail goes to a server that accepts the connection and says nothing."""
    import socket

    from django.contrib.auth import get_user_model

    get_user_model().objects.update_or_create(username="boss", defaults={"email": "boss@example.org", "is_staff": True})
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(50)
        stage.site.submit_many(10)
        stage.objects.kill()
        port = str(hole.getsockname()[1])
        stage.site.start_worker(env={"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": port, "EMAIL_USE_TLS": "0"})
        time.sleep(8)
        stage.objects.start_again()
        return stage.site.wait_until_done(HEALS_WITHIN_S)


@fault("disk of a host full, beside a healthy one")
def disk_full(stage: Stage) -> float:
    """The sick host's DATA_DIR is a file system of 16 MiB, which has too little room from the start."""
    site = stage.site
    small = site.folder / "small-disk"
    small.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(small)], check=True)
    try:
        site.start_worker("host-full", {"DATA_DIR": str(small)})
        site.start_worker("host-well")
        site.submit_many(24)
        return site.wait_until_done(HEALS_WITHIN_S)
    finally:
        site.stop_workers()
        subprocess.run(["umount", "-l", str(small)], check=True)


@fault("deploy by HUP under load")
def deploy(stage: Stage) -> float:
    site = stage.site
    site.start_worker()
    with site.load(0.1):
        for _ in range(3):
            time.sleep(3)
            os.kill(site.web.pid, signal.SIGHUP)
            end(site.workers.pop(0))
            site.start_worker()
        time.sleep(3)
    return site.wait_until_done(HEALS_WITHIN_S)


@fault("everything at once")
def everything(stage: Stage) -> float:
    site = stage.site
    site.start_worker("host-a")
    site.start_worker("host-b")
    with site.load(0.2):
        time.sleep(3)
        stage.objects.kill()
        os.killpg(site.workers[0].pid, signal.SIGKILL)
        os.kill(site.web.pid, signal.SIGHUP)
        time.sleep(3)
        stage.postgres.crash()
        time.sleep(8)
        stage.postgres.start()
        time.sleep(4)
        stage.objects.start_again()
        site.start_worker("host-a")
        time.sleep(5)
    return site.wait_until_done(HEALS_WITHIN_S)
