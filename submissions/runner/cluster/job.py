"""The program of a job: `python -m submissions.runner.cluster.job FOLDER`, as root of a user namespace without rights.

`slurm_commands.py` starts it in user, mount, process, network and IPC namespaces of its own. It reads `task.json` of
its folder, does it, and writes a line to `events` for whatever the worker is to know; the last is the outcome. It ends
by itself when the worker has shown no life for a while.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from submissions.runner.attempt import Host, Means
from submissions.runner.base import EngineFault, RunCallbacks, RunCancelled, RunError
from submissions.runner.cluster.memory_proof import memory_checks
from submissions.runner.cluster.messages import error_json, request_of, result_json
from submissions.runner.cluster.runc import RuncEngine
from submissions.runner.cluster.unpack import empty_trash, unpack
from submissions.runner.contracts import CONTRACTS
from submissions.runner.host.selftest import Check, findings, version_checks
from submissions.runner.memory_group import own_group

LOOK_EVERY_S = 5.0
LOST_AFTER_S = 120.0
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


class Job:
    """One job: its folder, what it was told, and how it tells what happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task: dict[str, Any] = json.loads((folder / "task.json").read_text())
        self.store = Path(self.task["store"])
        self._events = open(folder / "events", "a", encoding="utf-8")  # noqa: SIM115 — closed by the end
        self._lock = threading.Lock()
        self._beat, self._beat_at, self._next_look = "", time.monotonic(), 0.0

    def say(self, event: str, **facts: Any) -> None:
        with self._lock:
            self._events.write(json.dumps({"event": event, **facts}) + "\n")
            self._events.flush()

    def is_cancelled(self) -> bool:
        """Say whether the worker has written nothing to `beat` for too long, by this machine's own clock."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_S
            try:
                beat = (self.folder / "beat").read_text()
            except OSError:
                beat = self._beat
            if beat != self._beat:
                self._beat, self._beat_at = beat, now
        return now - self._beat_at > LOST_AFTER_S

    def engine(self) -> RuncEngine:
        return RuncEngine(self.store, set_up(), own_group())

    def host(self) -> Host:
        task = self.task
        return Host(self.engine(), task["driver_image"], task["prefix"], task["instance"], means=Means())

    def run(self) -> dict[str, Any]:
        """Run a request and return its outcome."""
        request = request_of(self.task["request"])
        watcher = RunCallbacks(
            answered=lambda case_id, answer, seconds: self.say(
                "answered", case=case_id, answer=answer, seconds=seconds
            ),
            stage=lambda name: self.say("stage", stage=name),
            is_cancelled=self.is_cancelled,
            log=lambda text: self.say("log", text=text),
            hint=lambda sentence: self.say("hint", text=sentence),
            note=lambda sentence: self.say("note", text=sentence),
        )
        return result_json(CONTRACTS[request.contract].runner(self.host()).run(request, watcher))

    def self_test(self) -> dict[str, Any]:
        """Prove the sandbox on this node; return its checks."""
        host = self.host()
        checks = [check for check in version_checks(host.engine.facts(), None) if check.name == "runc version"]
        checks += findings(host, Path(self.task["cases_dir"])).checks
        checks += [_user_check(), *memory_checks(own_group(), int(self.task["memory_mib"]))]
        node = os.environ.get("SLURMD_NODENAME", "")
        return {"ok": True, "node": node, "checks": [asdict(check) for check in checks]}

    def unpack(self) -> dict[str, Any]:
        unpack(self.store, Path(self.task["layout"]), self.task["image_id"])
        return {"ok": True}

    def clean(self) -> dict[str, Any]:
        empty_trash(self.store)
        return {"ok": True}


def _user_check() -> Check:
    """Say whether the job's own user, to which an escape from a container's namespace would lead, is without rights."""
    outside = int(os.environ.get("LUNASITE_JOB_UID", "0"))
    return Check("user of the job", outside != 0, f"uid {outside} on the node")


def set_up() -> Path:
    """Make this namespace's own /proc and loopback and return an empty folder in memory for what the job needs."""
    # The same on every node, since each job sees its own mount there; a name of its own would tell a model something.
    work = Path(tempfile.gettempdir(), f"lunasite-jobs-{os.environ.get('LUNASITE_JOB_UID', '')}")
    work.mkdir(mode=0o700, exist_ok=True)
    if work.is_symlink() or work.stat().st_uid != os.geteuid():
        raise EngineFault("The node's folder for jobs is somebody else's.", staff_detail=str(work))
    _run("mount", "-t", "tmpfs", "-o", "mode=0711", "tmpfs", str(work))
    _run("mount", "-t", "proc", "proc", "/proc")
    (work / "sys").mkdir()
    _run("mount", "-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs", str(work / "sys"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        interface = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack_from("h", interface, 16)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    return work


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise EngineFault("The job could not make its namespaces.", staff_detail=f"{' '.join(command)}: {done.stderr}")


def main(folder: str) -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(143))
    os.umask(0o022)
    job = Job(Path(folder))
    job.say("begun", node=os.environ.get("SLURMD_NODENAME", ""))
    tasks = {"run": job.run, "self-test": job.self_test, "unpack": job.unpack, "clean": job.clean}
    try:
        outcome = tasks[job.task["task"]]()
    except RunCancelled:
        outcome = error_json(EngineFault("The worker showed no life."))
    except RunError as error:
        outcome = error_json(error)
    except Exception as error:  # noqa: BLE001 — whatever it was, the worker is to hear of it
        outcome = error_json(EngineFault("The job failed.", staff_detail=f"{type(error).__name__}: {error}"[:2000]))
    job.say("outcome", **outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
