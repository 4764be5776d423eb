"""Our model process with the standard library's framing instead of ours: a candidate of decision 10.

`multiprocessing.connection.Connection` carries bytes (`send_bytes`, `recv_bytes`); never pickles.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from inference.networks.answers import LesionAnswer, TimedOut
from inference.networks.config import ServiceConfig
from inference.networks.worker.wire import result_of, to_json

MAX_BYTES = 64 * 1024**2


class ConnectionService:
    """Asks one child at a time; kills one that is late, and starts the next when it is asked again."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "benchmarks.reference.model_over_connection"]
            self.child = subprocess.Popen(command, stdin=theirs.fileno(), env={**os.environ, "OMP_NUM_THREADS": "1"})
        self._connection = Connection(ours.detach())
        self._connection.recv_bytes()  # loaded

    def ask(self, file: str, point: list[float], timeout_s: float) -> LesionAnswer:
        request = {"call": "lesion_probability", "files": [file], "points": [point]}
        with self._turn:
            if self.child.poll() is not None:
                self._start()
            try:
                self._connection.send_bytes(json.dumps(request).encode())
                if not self._connection.poll(timeout_s):
                    raise TimeoutError
                answer: LesionAnswer = result_of(LesionAnswer, json.loads(self._connection.recv_bytes(MAX_BYTES)))
            except (OSError, EOFError) as error:
                self.close()
                raise TimedOut from error
            return answer

    @property
    def pid(self) -> int:
        return self.child.pid

    def close(self) -> None:
        self._connection.close()
        self.child.kill()
        self.child.wait()


def load_lesion_jobs() -> Any:
    """Return the site's own jobs with its own weights."""
    from inference.networks.worker.loading import load_jobs, use_one_thread

    use_one_thread()
    config = ServiceConfig()
    return load_jobs(lesion=config.lesion_paths, slices=config.slice_paths)[0]


def main() -> None:
    connection = Connection(os.dup(0))
    jobs = load_lesion_jobs()
    connection.send_bytes(b"{}")
    while True:
        answer = jobs.run(json.loads(connection.recv_bytes(MAX_BYTES)))
        connection.send_bytes(json.dumps({"answer": to_json(answer)}).encode())


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
