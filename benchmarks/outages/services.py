"""A PostgreSQL and an S3 server of this run's own, to be stopped, killed and started again; ended by process id."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Postgres:
    def __init__(self, port: int) -> None:
        # PostgreSQL refuses root, so its folder lies where another user may enter.
        self.state = Path("/var/tmp") / f"lunasite-outages-pg-{port}"
        self.env = {"LUNASITE_POSTGRES_STATE": str(self.state), "LUNASITE_POSTGRES_PORT": str(port)}
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        _run([".ci/start_postgres"], self.env)

    def stop(self) -> None:
        _run([".ci/start_postgres", "stop"], self.env)
        subprocess.run(["rm", "-rf", str(self.state), f"{self.state}-socket"], check=True)

    def processes(self) -> list[psutil.Process]:
        main = psutil.Process(int((self.state / "postmaster.pid").read_text().split()[0]))
        return [main, *main.children(recursive=True)]

    def hang(self) -> None:
        for process in self.processes():
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        for process in reversed(self.processes()):
            process.send_signal(signal.SIGCONT)

    def crash(self) -> None:
        """End it as a power cut would, all processes at once."""
        for process in self.processes():
            process.kill()
        time.sleep(1)


class ObjectStore:
    def __init__(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="lunasite-outages-s3-")) / "state"
        self.env = {"LUNASITE_S3_STATE": str(self.state)}
        self.facts: dict[str, str] = {}
        self.command: list[str] = []

    def start(self) -> None:
        _run([".ci/start_s3"], self.env)
        self.facts = json.loads((self.state / "running.json").read_text())
        self.command = psutil.Process(int(self.facts["pid"])).cmdline()

    def stop(self) -> None:
        _run([".ci/start_s3", "stop"], self.env)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "MINIO_ENDPOINT": self.facts["endpoint"],
            "MINIO_ACCESS_KEY": self.facts["access_key"],
            "MINIO_SECRET_KEY": self.facts["secret_key"],
        }

    def kill(self) -> None:
        psutil.Process(int(self.facts["pid"])).kill()

    def start_again(self) -> None:
        """Start the same server on the same data and ports."""
        with (self.state / "weed.log").open("ab") as log:
            server = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.state
            )
        self.facts["pid"] = server.pid
        (self.state / "running.json").write_text(json.dumps(self.facts))

    def hang(self) -> None:
        psutil.Process(int(self.facts["pid"])).send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        psutil.Process(int(self.facts["pid"])).send_signal(signal.SIGCONT)


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
