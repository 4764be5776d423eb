"""Slurm's own commands, each with a time-out; one look at the queue serves every job of this process."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from submissions.runner.base import EngineFault

CALL_TIMEOUT_S = 60
LOOK_EVERY_S = 1.0
# The environment of a job's program: nothing of the worker's, which has secrets in it.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENDED = frozenset((
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "SPECIAL_EXIT", "TIMEOUT",
))  # fmt: skip
GONE = "GONE"
# Slurm itself ends what is left of it; where its node is lost, once that is back.
ENDING = "COMPLETING"
# Root of a user namespace of its own, which has its own mounts, processes, network and IPC. Whoever ends this ends all.
SCRIPT = """\
#!/bin/sh
LUNASITE_JOB_UID=$(id -u)
exec env -i PATH={path} LANG=C.UTF-8 PYTHONPATH={code}:{code}/stand_ins LUNASITE_JOB_UID="$LUNASITE_JOB_UID" \\
  SLURMD_NODENAME="$SLURMD_NODENAME" \\
  unshare --user --map-auto --map-root-user --mount --propagation private --pid --fork --kill-child --net --ipc --uts \\
  {python} -P -m submissions.runner.cluster.job {folder}
"""


@dataclass(frozen=True)
class Place:
    """Where evaluations run.

    store: the folder that workers and nodes share. partitions: those that jobs are sent to, all if there are none
    named. job_user: whom jobs belong to where the worker is root; "" is the worker's own user. python: that of a node.
    """

    store: Path
    partitions: tuple[str, ...] = ()
    job_user: str = ""
    python: str = "/usr/bin/python3"


@dataclass(frozen=True)
class Cluster:
    """Slurm's version, the partitions for jobs of ours, and the most that one of them gives a job.

    longest_s: how long a job may run, infinite where there is no limit.
    """

    version: str
    partitions: tuple[str, ...]
    cpus: int
    memory_bytes: int
    longest_s: float


@dataclass(frozen=True)
class Needs:
    """What a job asks of Slurm. time_s: after that Slurm itself ends it."""

    memory_mib: int
    cpus: float
    time_s: float
    partition: str = ""


@dataclass
class _Look:
    """The last look at the queue: states by job."""

    at: float = float("-inf")
    states: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_looks: dict[Path, _Look] = {}


class Slurm:
    """One cluster, as this process's user sees it; may be shared between threads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._look = _looks.setdefault(place.store, _Look())

    @property
    def user(self) -> str:
        return self.place.job_user or pwd.getpwuid(os.geteuid()).pw_name

    def own(self, path: Path) -> None:
        """Give a file or folder to the user of the jobs, where that is another."""
        if self.place.job_user:
            account = pwd.getpwnam(self.place.job_user)
            os.chown(path, account.pw_uid, account.pw_gid)

    def own_all(self, folder: Path) -> None:
        self.own(folder)
        for path in folder.rglob("*") if self.place.job_user else ():
            self.own(path)

    def submit(self, name: str, folder: Path, code: Path, needs: Needs) -> str:
        """Send a job whose program, of the folder `code`, reads `folder`; return its ID. Raises EngineFault."""
        place = self.place
        script = SCRIPT.format(path=PATH, code=code, python=place.python, folder=folder)
        partitions = needs.partition or ",".join(place.partitions)
        options = [
            "--parsable", "--export=NIL", "--no-requeue", "--nodes=1", "--ntasks=1", "--chdir=/", "--input=/dev/null",
            f"--job-name={name}", f"--output={folder}/output", f"--mem={needs.memory_mib}M",
            f"--cpus-per-task={max(1, ceil(needs.cpus))}", f"--time={max(1, ceil(needs.time_s / 60))}",
            *([f"--partition={partitions}"] if partitions else []),
        ]  # fmt: skip
        job_id = self._call("sbatch", *options, said=script).strip().partition(";")[0]
        self._look_anew()
        return job_id

    def cancel(self, name: str) -> None:
        """Cancel the jobs of that name; fine where there are none."""
        self._call("scancel", f"--name={name}", f"--user={self.user}")
        self._look_anew()

    def _look_anew(self) -> None:
        """Forget the last look: a job that is younger than it would be taken for one that is gone."""
        with self._look.lock:
            self._look.at = float("-inf")

    def state(self, job_id: str) -> str:
        """Return a job's state in Slurm's words, GONE where it knows none of that ID. Raises EngineFault."""
        with self._look.lock:
            if time.monotonic() - self._look.at > LOOK_EVERY_S:
                self._look.states = {row[0]: row[2] for row in self.jobs()}
                self._look.at = time.monotonic()
            return self._look.states.get(job_id, GONE)

    def jobs(self) -> list[tuple[str, str, str]]:
        """Return (ID, name, state) of our user's jobs, those that ended a while ago among them."""
        text = self._call("squeue", f"--user={self.user}", "--noheader", "--states=all", "--format=%i|%j|%T")
        rows = (line.split("|") for line in text.splitlines())
        return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]

    def cluster(self) -> Cluster:
        """Return what jobs may be sent to. Raises EngineFault where a partition named in the settings is not there."""
        version = self._call("sinfo", "--version").split()
        text = self._call("sinfo", "--noheader", "--format=%R|%c|%m|%l")
        rows = [line.split("|") for line in text.splitlines()]
        named = self.place.partitions
        rows = [row for row in rows if len(row) == 4 and (not named or row[0] in named)]
        if missing := set(named) - {row[0] for row in rows}:
            raise EngineFault("Slurm has no such partition.", staff_detail=", ".join(sorted(missing)))
        return Cluster(
            version=version[-1] if version else "",
            partitions=tuple(sorted({row[0] for row in rows})),
            cpus=max((_number(row[1]) for row in rows), default=0),
            memory_bytes=max((_number(row[2]) for row in rows), default=0) << 20,
            longest_s=max((seconds_of(row[3]) for row in rows), default=0.0),
        )

    def _call(self, *command: str, said: str = "") -> str:
        program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:{PATH}")
        if program is None:
            raise EngineFault("Slurm's commands are not on this machine.", staff_detail=command[0])
        account = pwd.getpwnam(self.place.job_user) if self.place.job_user else None
        identity: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        environment = {name: value for name, value in os.environ.items() if name in ("PATH", "SLURM_CONF", "LANG")}
        try:
            done = subprocess.run(
                [program, *command[1:]], input=said, capture_output=True, text=True, timeout=CALL_TIMEOUT_S,
                check=False, env=environment, cwd="/", **identity,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineFault("Slurm does not answer.", staff_detail=str(error)[:2000]) from error
        if done.returncode:
            detail = f"{command[0]}: {(done.stderr or done.stdout).strip()}"[:2000]
            raise EngineFault("Slurm refused a command.", staff_detail=detail)
        return done.stdout


def seconds_of(text: str) -> float:
    """Return the seconds of a time limit as sinfo prints it: `infinite`, `30:00`, `2:00:00`, `7-00:00:00`."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or not (days or "0").isdigit():
        return float("inf")  # or n/a, UNLIMITED
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return float(int(days or "0") * 86400 + seconds)


def _number(text: str) -> int:
    digits = text.rstrip("+")
    return int(digits) if digits.isdigit() else 0
