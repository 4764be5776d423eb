"""One model process per web worker: started lazily, one request at a time, killed on time-out, then restarted."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference.ct.reading.errors import InvalidImageFile
from inference.networks.answers import ModelStatus, ModelUnavailable, ServiceBusy, TimedOut
from inference.networks.config import ServiceConfig
from inference.networks.worker.wire import ProtocolError, from_json, receive_frame, send_frame

REPOSITORY = Path(__file__).resolve().parents[3]
# The child gets none of the site's environment variables, so it has no secret to leak.
CHILD_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
RESTART_PAUSE_S = 20.0
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


class ModelProcess:
    """A child of this process that answers one request at a time.

    Any thread may call it. `statuses` holds the states of its models, as the child last reported them.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._turn = threading.Lock()
        self._starting = threading.Lock()
        self._ready = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._failed_at: float | None = None
        self._closed = False
        self._waiting = 0
        self._counting = threading.Lock()
        self._usual_s = 1.0
        self.statuses: list[ModelStatus] = []

    @property
    def is_ready(self) -> bool:
        """Return whether the child is alive and has finished loading."""
        child = self._child
        return self._ready.is_set() and child is not None and child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def has_failed(self) -> bool:
        """Return whether the last start failed so recently that another start would be a crash loop."""
        return self._failed_at is not None and time.monotonic() - self._failed_at < RESTART_PAUSE_S

    def start(self) -> None:
        """Start the child unless it runs; its models load in the background."""
        with self._starting:
            if self._closed or self._child is not None or self.has_failed:
                return
            ours, theirs = socket.socketpair()
            with theirs:
                self._child = _spawn(self._config, theirs)
            self._connection = ours
            threading.Thread(target=self._await_ready, args=(self._child, ours), daemon=True).start()

    def revive(self) -> None:
        """Start the child unless it runs, also when it has died between requests."""
        if not self._turn.locked():
            self._reap_child()
        self.start()

    def ask(self, request: dict[str, Any], timeout_s: float) -> Any:
        """Return the child's message for `request`.

        Raises ServiceBusy, TimedOut (the child has been killed), ModelUnavailable (it cannot start), and
        InvalidImageFile when the input crashed it.
        """
        deadline = time.monotonic() + timeout_s
        with self._my_turn(deadline):
            connection = self._ready_connection(deadline)
            began = time.monotonic()
            message = self._exchange(connection, request, deadline)
            self._usual_s += 0.2 * (time.monotonic() - began - self._usual_s)
            return message

    def close(self) -> None:
        """End the child for good."""
        self._closed = True
        self._discard()

    @contextmanager
    def _my_turn(self, deadline: float) -> Iterator[None]:
        """Wait in a bounded queue until no other request is running. Raises ServiceBusy."""
        with self._counting:
            if self._waiting >= self._config.max_waiting:
                raise self._busy()
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
                raise self._busy()
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def _busy(self) -> ServiceBusy:
        return ServiceBusy(max(1, round(self._usual_s * (self._waiting + 1))))

    def _ready_connection(self, deadline: float) -> socket.socket:
        self._reap_child()
        self.start()
        while not self._ready.wait(timeout=min(0.1, max(deadline - time.monotonic(), 0.001))):
            if self.has_failed or self._closed:
                raise ModelUnavailable
            if time.monotonic() >= deadline:
                raise ServiceBusy(5)
            self.start()
        connection = self._connection
        if connection is None:
            raise ServiceBusy(1)
        return connection

    def _reap_child(self) -> None:
        """Discard a child that died between requests, so that the next one can start."""
        child = self._child
        if child is not None and self._ready.is_set() and child.poll() is not None:
            self._discard()

    def _exchange(self, connection: socket.socket, request: dict[str, Any], deadline: float) -> Any:
        try:
            send_frame(connection, request, deadline)
            return receive_frame(connection, deadline)
        except TimeoutError:
            self._restart()
            raise TimedOut from None
        except (OSError, EOFError, ProtocolError) as error:
            cause = self._restart()
            if cause in CRASHES or isinstance(error, ProtocolError):
                raise InvalidImageFile("IMAGE_UNREADABLE", "The file could not be decoded.") from error
            raise ServiceBusy(2) from error

    def _restart(self) -> signal.Signals | None:
        """Kill the child if it still runs, start the next one, and return the signal that ended the first."""
        code = self._discard()
        self.start()
        return signal.Signals(-code) if code is not None and code < 0 else None

    def _discard(self) -> int | None:
        """Kill and reap the child; return its exit status, which is its own if it had already died."""
        with self._starting:
            child, connection = self._child, self._connection
            self._child = self._connection = None
            self._ready.clear()
        if connection is not None:
            connection.close()
        if child is None:
            return None
        code = _status_soon(child)
        child.kill()
        child.wait()
        return code

    def _await_ready(self, child: subprocess.Popen[bytes], connection: socket.socket) -> None:
        """Receive the child's first message, which lists the models it has loaded."""
        try:
            statuses = from_json(
                list[ModelStatus], receive_frame(connection, time.monotonic() + self._config.startup_s)
            )
        except (OSError, EOFError, ProtocolError):
            self._give_up_on(child)
            return
        with self._starting:
            if self._child is child:
                self.statuses = statuses
                self._failed_at = None
                self._ready.set()

    def _give_up_on(self, child: subprocess.Popen[bytes]) -> None:
        if self._child is child and not self._closed:
            self._failed_at = time.monotonic()
            self._discard()


def _spawn(config: ServiceConfig, connection: socket.socket) -> subprocess.Popen[bytes]:
    """Start the model process with `connection` as its standard input; it inherits nothing else from this process."""
    arguments = [
        "--slice", *(str(path.absolute()) for path in config.slice_paths),
        "--lesion", *(str(path.absolute()) for path in config.lesion_paths),
        "--memory-bytes", str(config.memory_bytes),
    ]  # fmt: skip
    if not config.load_model:
        arguments.append("--no-models")
    return subprocess.Popen(
        [sys.executable, "-B", "-m", "inference.networks.worker.worker", *arguments],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=CHILD_ENVIRONMENT,
        start_new_session=True,
    )


def _status_soon(child: subprocess.Popen[bytes]) -> int | None:
    """Return the exit status of a child that is about to exit by itself, or None if it still runs."""
    try:
        return child.wait(timeout=0.05)
    except subprocess.TimeoutExpired:
        return None
