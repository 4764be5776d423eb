"""Process supervisor: start several programs, restart any that dies, and stop all on Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

STOP_WITHIN_S = 20.0
QUICK_DEATH_S = 5.0


@dataclass
class Program:
    """A child process with a separate process group, so that its children end with it."""

    name: str
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_deaths: int = 0

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(self.command, env={**os.environ, **self.env}, start_new_session=True)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the program only; it stops its children itself."""
        if self.process and self.is_alive:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """Kill what remains of the program's group, including orphans of a killed parent."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.is_stopping = False

    def run(self) -> int:
        """Run until a stop signal, or until a program keeps dying; return an exit status."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        for program in self.programs:
            program.start()
        status = 0
        while not self.is_stopping and status == 0:
            time.sleep(0.2)
            status = self._restart_the_dead()
        self._end_all()
        return status

    def _stop(self, number: int, frame: object) -> None:
        self.is_stopping = True

    def _restart_the_dead(self) -> int:
        for program in self.programs:
            if program.is_alive or self.is_stopping:
                continue
            program.kill_group()
            quick = time.monotonic() - program.started_at < QUICK_DEATH_S
            program.quick_deaths = program.quick_deaths + 1 if quick else 0
            if program.quick_deaths >= 3:
                print(f"{program.name} does not stay up; its lines above say why.", file=sys.stderr)  # noqa: T201
                return 1
            program.start()
        return 0

    def _end_all(self) -> None:
        for program in self.programs:
            program.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        while time.monotonic() < deadline and any(program.is_alive for program in self.programs):
            time.sleep(0.1)
        for program in self.programs:
            program.kill_group()
