"""P15: slow and silent connections against the served site, and how long everybody else waits meanwhile.

    make bench-slow-clients                                                 # 200 of each sort, 30 s each
    PYTHONPATH=. python benchmarks/web/bench_slow_clients.py --seconds 10 --server gthread waitress granian site

Each sort alone, then all at once. Two probes ask for /health and the home page, each time on a new connection. All
come from loopback, so the slow and the probes share one address. A connection that the server closes is opened anew.
"""

import argparse
import asyncio
import contextlib
import http.client
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.harness.results import Result, show
from benchmarks.harness.servers import Server, site

WEIGHTS = Path(__file__).resolve().parents[2] / "inference" / "weights"
PROBE_TIMEOUT_S = 10.0
PROBE_PAUSE_S = 0.05
PROBED = ("/health", "/")
FORM = "Content-Type: multipart/form-data; boundary=x\r\n"
PART = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
# sort → (what is sent at once, what is sent each second)
SORTS = {
    "silent": (b"", b""),
    "slow heads": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-More: of it\r\n"),
    "slow bodies": (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM}Content-Length: 1000000\r\n\r\n{PART}".encode(),
        b"x",
    ),
    "unauthenticated": (
        f"POST /api/v1/predict/lesion HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM}Content-Length: 500000000\r\n\r\n".encode(),
        b"x",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--server", nargs="+", default=["site"], help="site, gthread, waitress, granian")
    options = parser.parse_args()
    for name in options.server:
        os.environ["BENCH_SERVER"] = name
        with tempfile.TemporaryDirectory() as folder, site(WEIGHTS, Path(folder)) as server:
            results = measure(server, options.connections, options.seconds)
        show(f"{name}: {options.connections} slow connections of a sort, {options.seconds:g} s each", results)


def measure(server: Server, connections: int, seconds: float) -> list[Result]:
    for path in PROBED:
        probe(server, path)
    results = []
    for sorts in [*([sort] for sort in SORTS), list(SORTS)]:
        with slow_clients(server, sorts, connections) as opened:
            waits = probed(server, seconds)
        name = sorts[0] if len(sorts) == 1 else "all at once"
        results += [_result(name, path, waits[path], opened()) for path in PROBED]
        time.sleep(1)
    return results


def _result(name: str, path: str, waits: list[float], opened: int) -> Result:
    worst = statistics.quantiles(waits, n=100, method="inclusive")[98] if len(waits) > 1 else waits[0]
    middle = f"median {1e3 * statistics.median(waits):.0f} ms of {len(waits)}, {opened} connections opened"
    return Result("P15", f"{name}: seconds of {path} at the 99th percentile", worst, 1, middle, at_most=True)


def probed(server: Server, seconds: float) -> dict[str, list[float]]:
    """Return the seconds of each probe of each path; one that is not answered counts PROBE_TIMEOUT_S."""
    waits: dict[str, list[float]] = {path: [] for path in PROBED}
    until = time.monotonic() + seconds

    def ask(path: str) -> None:
        while time.monotonic() < until:
            waits[path].append(probe(server, path))
            time.sleep(PROBE_PAUSE_S)

    threads = [threading.Thread(target=ask, args=(path,)) for path in PROBED]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def probe(server: Server, path: str) -> float:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            return PROBE_TIMEOUT_S
    except (OSError, http.client.HTTPException):
        return PROBE_TIMEOUT_S
    finally:
        connection.close()
    return time.perf_counter() - began


@contextlib.contextmanager
def slow_clients(server: Server, sorts: list[str], connections: int) -> Iterator[Callable[[], int]]:
    """Hold `connections` of each sort open in a thread of their own; yields what counts the connections opened."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    counts = {"opened": 0}
    tasks = [
        asyncio.run_coroutine_threadsafe(drip(server.port, *SORTS[sort], counts), loop)
        for sort in sorts
        for _ in range(connections)
    ]
    deadline = time.monotonic() + 10
    while counts["opened"] < len(tasks) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    try:
        yield lambda: counts["opened"]
    finally:
        asyncio.run_coroutine_threadsafe(end_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def end_all() -> None:
    """Cancel what runs in the loop and wait until it has ended, those included that close a socket first."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.wait(others, timeout=5)


async def drip(port: int, first: bytes, each_second: bytes, counts: dict[str, int]) -> None:
    """Keep one slow connection open, whatever the server does to it."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            counts["opened"] += 1
            try:
                await _until_closed(reader, writer, first, each_second)
            finally:
                writer.close()
        await asyncio.sleep(0.2)


async def _until_closed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes, each_second: bytes
) -> None:
    writer.write(first)
    while not writer.is_closing() and not reader.at_eof():
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(65536), 1)
        writer.write(each_second)


if __name__ == "__main__":
    main()
