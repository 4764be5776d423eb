"""Decision 9: the same site under each web server, all up at once, asked in turn.

    make bench-web-servers                                                      # about five minutes
    PYTHONPATH=. python benchmarks/web/bench_web_servers.py --server site waitress --rounds 3

Patches and pages at concurrency 8, whole raw scans of 66 MB at 1 and 4, as requests a second and as processor time of
all processes of the server, models included: on a machine shared with other work the second says more. What slow
clients do to each is `make bench-slow-clients`.
"""

import argparse
import http.client
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.load import lesion_body_of, requests_per_second
from benchmarks.harness.rounds import machine
from benchmarks.harness.scans import prepare
from benchmarks.harness.servers import ROOT, Server, process_tree, site

WEIGHTS = ROOT / "inference" / "weights"
Load = tuple[int, Callable[[Server], float]]  # requests, and what sends them and returns the rate
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", nargs="+", default=["site", "gthread", "waitress", "granian"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {name: stack.enter_context(started(name, folder)) for name in options.server}
        scans = prepare(folder)
        patch, raw = (lesion_body_of(path, scans.point_xyz_mm) for path in (scans.patch, scans.raw))
        loads: dict[str, Load] = {
            "patches, 8 at once": (80, lambda server: requests_per_second(server, patch, concurrency=8, count=80)),
            "66 MB scans, 1 at once": (3, lambda server: requests_per_second(server, raw, concurrency=1, count=3)),
            "66 MB scans, 4 at once": (8, lambda server: requests_per_second(server, raw, concurrency=4, count=8)),
            "home pages, 8 at once": (160, lambda server: pages_per_second(server, 8, 160)),
            "home pages, 1 at once": (60, lambda server: pages_per_second(server, 1, 60)),
        }
        for server in servers.values():
            requests_per_second(server, patch, concurrency=8, count=40)
        found = interleaved(servers, loads, options.rounds)
    show(found, options.server)


def started(name: str, folder: Path):
    os.environ["BENCH_SERVER"] = name
    own = folder / name.strip("/").replace("/", "-")
    own.mkdir()
    return site(WEIGHTS, own)


def interleaved(
    servers: dict[str, Server], loads: dict[str, Load], rounds: int
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return load → server → (requests a second, processor milliseconds a request), medians."""
    taken: dict[str, dict[str, list[tuple[float, float]]]] = {what: {name: [] for name in servers} for what in loads}
    for _ in range(rounds):
        for what, (count, work) in loads.items():
            for name, server in servers.items():
                before = processor_s(process_tree(server.pid))
                rate = work(server)
                used = processor_s(process_tree(server.pid)) - before
                taken[what][name].append((rate, 1e3 * used / count))
    return {what: {name: _medians(values) for name, values in row.items()} for what, row in taken.items()}


def _medians(values: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(value[0] for value in values), statistics.median(value[1] for value in values)


def pages_per_second(server: Server, concurrency: int, count: int) -> float:
    """Ask for the home page on kept-alive connections."""
    began = time.perf_counter()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(count // concurrency):
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - began)


def processor_s(pids: list[int]) -> float:
    """Return the processor seconds that these processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def show(found: dict[str, dict[str, tuple[float, float]]], names: list[str]) -> None:
    print(f"\n### Web servers\n\n{machine()}\n\n| what | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}")
    for at, unit in enumerate(("a second", "processor ms each")):
        for what, row in found.items():
            print(f"| {what}: {unit} | {' | '.join(f'{row[name][at]:.3g}' for name in names)} |")


if __name__ == "__main__":
    main()
