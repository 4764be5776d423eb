"""Decision 10: our model process against LitServe, and its framing against `multiprocessing.connection`.

    make bench-model-process

The same model, the same lesion from the same file, two processes each: milliseconds of a call, calls a second of
eight callers; then what happens to a call with a deadline of two seconds when the model hangs (SIGSTOP) or is killed,
and how long it takes until the next right answer.
"""

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.harness.rounds import machine
from benchmarks.harness.servers import ROOT, free_port, process_tree
from benchmarks.reference.model_over_connection import ConnectionService
from inference.networks.answers import LesionAnswer
from inference.networks.config import ServiceConfig
from inference.networks.worker.local import LocalService
from inference.networks.worker.wire import receive_frame, result_of
from inference.web.examples import phantom, phantom_file

PROCESSES, DEADLINE_S, ROUNDS, GIVE_UP_S = 2, 2, 5, 30.0
Ask = Callable[[], LesionAnswer]


class Side:
    """ask: one call, by any thread. models: the pids of its model processes."""

    def __init__(self, name: str, ask: Ask, models: Callable[[], list[int]]) -> None:
        self.name = name
        self.ask = ask
        self.models = models


def main() -> None:
    with phantom_file() as file, contextlib.ExitStack() as stack:
        point = phantom().point_xyz_mm
        sides = [stack.enter_context(kind(file, point)) for kind in (ours, over_connection, under_litserve)]
        for side in sides:
            until_right(side)
        answers = [side.ask().probabilities[0] for side in sides]
        if max(answers) - min(answers) > 1e-6:
            raise RuntimeError(f"the sides do not compute the same thing: {answers}")
        rows = {"milliseconds a call": alone(sides)}
        rows["calls a second, 8 callers"] = rates(sides)
        for what, number in (("hangs", signal.SIGSTOP), ("is killed", signal.SIGKILL)):
            for side in sides:
                heard, again = fault(side, number)
                rows.setdefault(f"model {what}: s until the caller hears", {})[side.name] = heard
                rows.setdefault(f"model {what}: s until the next right answer", {})[side.name] = again
        rows["half an answer: s until the caller hears"] = half_an_answer()
    show(rows, [side.name for side in sides])


@contextlib.contextmanager
def ours(file: str, point: tuple[float, float, float]) -> Iterator[Side]:
    services = [LocalService(ServiceConfig(max_waiting=64)) for _ in range(PROCESSES)]
    asks = [lambda service=service: service.lesion_probability(file, None, [point], DEADLINE_S) for service in services]
    try:
        yield Side("ours", least_busy(asks), lambda: [pid for service in services if (pid := service.process.pid)])
    finally:
        for service in services:
            service.close()


@contextlib.contextmanager
def over_connection(file: str, point: tuple[float, float, float]) -> Iterator[Side]:
    services = [ConnectionService() for _ in range(PROCESSES)]
    asks = [lambda service=service: service.ask(file, list(point), DEADLINE_S) for service in services]
    try:
        yield Side("multiprocessing.connection", least_busy(asks), lambda: [service.pid for service in services])
    finally:
        for service in services:
            service.close()


@contextlib.contextmanager
def under_litserve(file: str, point: tuple[float, float, float]) -> Iterator[Side]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.reference.model_under_litserve", f"{port}"]
    process = subprocess.Popen(
        [*command, f"{PROCESSES}", f"{DEADLINE_S}"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    body = json.dumps({"call": "lesion_probability", "files": [file], "points": [list(point)]})
    kept = threading.local()

    def ask() -> LesionAnswer:
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        try:
            kept.connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = kept.connection.getresponse()
            content = answer.read()
        except OSError:
            del kept.connection
            raise
        if answer.status != 200:
            raise OSError(answer.status)
        return result_of(LesionAnswer, json.loads(content))

    try:
        yield Side("LitServe", ask, lambda: models_of(process.pid))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def models_of(pid: int) -> list[int]:
    """Return the processes of a tree that hold torch."""
    found = []
    for item in process_tree(pid):
        with contextlib.suppress(OSError):
            if "libtorch_cpu" in Path(f"/proc/{item}/maps").read_text():
                found.append(item)
    return found


def least_busy(asks: list[Ask]) -> Ask:
    """Return what asks the service with the fewest calls under way, of those the one that waits longest for a call.

    Otherwise one caller alone would never wake the second process.
    """
    load, last = [0] * len(asks), [0] * len(asks)
    counting, turns = threading.Lock(), itertools.count(1)

    def ask() -> LesionAnswer:
        with counting:
            chosen = min(range(len(asks)), key=lambda index: (load[index], last[index]))
            load[chosen] += 1
            last[chosen] = next(turns)
        try:
            return asks[chosen]()
        finally:
            with counting:
                load[chosen] -= 1

    return ask


def alone(sides: list[Side]) -> dict[str, float]:
    """Return each side's median milliseconds of one call, in interleaved rounds."""
    taken: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            for _ in range(20):
                began = time.perf_counter()
                side.ask()
                taken[side.name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in taken.items()}


def rates(sides: list[Side]) -> dict[str, float]:
    """Return each side's median calls a second with eight callers, in interleaved rounds."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            found[side.name].append(crowd(side))
    return {name: statistics.median(values) for name, values in found.items()}


def crowd(side: Side, callers: int = 8, calls: int = 20) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:  # a call that fails ends the benchmark: it must not count as a fast one
        answers = list(pool.map(lambda _: side.ask(), range(callers * calls)))
    return len(answers) / (time.perf_counter() - began)


def fault(side: Side, number: signal.Signals) -> tuple[float, float]:
    """Stop or kill all models. Returns the seconds until a caller hears, and until the next right answer after it."""
    until_right(side)
    for pid in side.models():
        os.kill(pid, number)
    began = time.perf_counter()
    with contextlib.suppress(Exception):
        side.ask()
    return time.perf_counter() - began, until_right(side)


def until_right(side: Side) -> float:
    """Return the seconds until as many answers in a row were right as there are processes, twice over."""
    began, right = time.perf_counter(), 0
    while right < 2 * PROCESSES:
        if time.perf_counter() - began > GIVE_UP_S:
            return float("inf")
        try:
            side.ask()
            right += 1
        except Exception:
            right = 0
            time.sleep(0.05)
    return time.perf_counter() - began


def half_an_answer() -> dict[str, float]:
    """Return how long each waits for a child that has begun its answer and hangs; after 10 s it is gone."""
    found = {}
    for name in ("ours", "multiprocessing.connection"):
        ours, theirs = socket.socketpair()
        theirs.sendall((100).to_bytes(4, "big") + b"{")
        threading.Timer(10, theirs.close).start()
        began = time.perf_counter()
        with contextlib.suppress(OSError, EOFError):
            if name == "ours":
                receive_frame(ours, time.monotonic() + DEADLINE_S)
            else:
                connection = Connection(ours.detach())
                if connection.poll(DEADLINE_S):
                    connection.recv_bytes()
        found[name] = time.perf_counter() - began
    return found


def show(rows: dict[str, dict[str, float]], names: list[str]) -> None:
    print(f"\n### Model process\n\n{machine()}\n\n| what | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}")
    for what, row in rows.items():
        print(f"| {what} | {' | '.join(f'{row[name]:.3g}' if name in row else '' for name in names)} |")


if __name__ == "__main__":
    main()
    os._exit(0)  # timers of half_an_answer
