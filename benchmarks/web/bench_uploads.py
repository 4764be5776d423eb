"""P13: a large file through the site, and straight to the store, against the client's own upload to that store.

    make services bench-uploads                                # 512 MiB, five rounds
    PYTHONPATH=. python benchmarks/web/bench_uploads.py --mib 2048 --rounds 5

One S3 server, one site with two web processes, three connections a side, parts of 16 MiB everywhere.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import tarfile
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from minio import Minio

from benchmarks.harness.results import Result, show
from benchmarks.harness.servers import Server, command_of, manage, process_tree, running

CONNECTIONS = 3
BUCKET = "bench-submissions"
PART_BYTES = 16 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as server:
        archive = make_archive(Path(folder), options.mib)
        sides = {
            "the client's own": lambda: own_upload(archive),
            "through the site": lambda: resumable_upload(server, archive, direct=False),
            "direct": lambda: resumable_upload(server, archive, direct=True),
        }
        for work in sides.values():
            work()  # connections, imports, the disk's cache
        with watched_memory(server) as memory:
            seconds = interleaved(sides, options.rounds)
    rates = {name: options.mib / taken for name, taken in seconds.items()}
    own = rates["the client's own"]
    figures = ", ".join(f"{name} {rate:.0f} MiB/s" for name, rate in rates.items())
    results = [
        Result("P13", "through the site vs the client's own upload", rates["through the site"] / own, 0.7, figures),
        Result("P13", "direct vs the client's own upload", rates["direct"] / own, 0.9),
        Result("P13", "MB of growth of all web processes", memory["growth_mb"], 100, at_most=True),
    ]
    show(f"Uploads of {options.mib} MiB, {options.rounds} rounds, {CONNECTIONS} connections", results)


def store_facts() -> tuple[str, str, str]:
    """Return (host:port, access key, secret key) of the S3 server that `make services` started."""
    names = ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY")
    endpoint, access_key, secret_key = (os.environ[f"LUNASITE_TEST_S3_{name}"] for name in names)
    return endpoint.removeprefix("http://"), access_key, secret_key


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Server]:
    """Start the web part of a site that keeps its files on the S3 server."""
    endpoint, access_key, secret_key = store_facts()
    env = {
        "DATA_DIR": str(folder), "SECRET_KEY": "benchmark-" + "x" * 50, "ALLOWED_HOSTS": "127.0.0.1", "LOAD_MODEL": "0",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "counters"),
        "MINIO_ENDPOINT": endpoint, "MINIO_ACCESS_KEY": access_key, "MINIO_SECRET_KEY": secret_key,
        "MINIO_SUBMISSIONS_BUCKET": BUCKET, "MINIO_DATASETS_BUCKET": "bench-datasets",
        "THROTTLE_SUBMIT": "100000/min",
    }  # fmt: skip
    (folder / "counters").mkdir()
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "provision_storage")
    token = manage(env, "create_token", "bench", "--create").split()[-1]
    command = command_of(os.environ.get("BENCH_SERVER", "site"))
    with running("lunasite", command, "", env, {"Authorization": f"Bearer {token}"}) as server:
        yield server


def make_archive(folder: Path, mib: int) -> Path:
    """Write a tar archive of `mib` mebibytes of noise."""
    noise, archive = folder / "noise", folder / "image.tar"
    with noise.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    with tarfile.open(archive, "w") as tar:
        tar.add(noise, "layer.tar")
    noise.unlink()
    return archive


def interleaved(sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each side; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            began = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in taken.items()}


def own_upload(archive: Path) -> None:
    """Send the file as the store's own client does, then remove it."""
    endpoint, access_key, secret_key = store_facts()
    client = Minio(endpoint, access_key, secret_key, secure=False)
    client.fput_object(BUCKET, "own", str(archive), part_size=PART_BYTES, num_parallel_uploads=CONNECTIONS)
    client.remove_object(BUCKET, "own")


def resumable_upload(server: Server, archive: Path, *, direct: bool) -> None:
    """Begin, send all parts, complete, drop."""
    begun = ask(server, "POST", "/api/v1/uploads", {"filename": "image.tar", "size": archive.stat().st_size})
    url = f"/api/v1/uploads/{begun['id']}"
    numbers = list(range(1, begun["parts"] + 1))
    listed = ask(server, "POST", f"{url}/parts", {"numbers": numbers})["parts"]
    own = f"http://127.0.0.1:{server.port}{url}/parts/"
    addresses = [item["url"] if direct else f"{own}{item['number']}" for item in listed]
    headers = {} if direct else server.headers

    def send(at: int) -> None:
        with archive.open("rb") as file:
            file.seek(at * begun["part_size"])
            put(addresses[at], file.read(begun["part_size"]), headers)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, range(len(addresses))))
    ask(server, "POST", f"{url}/complete")
    ask(server, "DELETE", url)


def ask(server: Server, method: str, path: str, value: dict | None = None) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    headers = {"Content-Type": "application/json", **server.headers}
    connection.request(method, path, json.dumps(value) if value else None, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
    return json.loads(content or b"{}")


def put(url: str, content: bytes, headers: dict[str, str]) -> None:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)
    connection.request("PUT", f"{parts.path}?{parts.query}", content, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"PUT {parts.path}: {answer.status}")


@contextlib.contextmanager
def watched_memory(server: Server) -> Iterator[dict[str, float]]:
    """Watch the resident memory of all the site's processes; `growth_mb` is the most over what it was at first."""
    found = {"growth_mb": 0.0}
    stop = threading.Event()
    before = resident_mb(server)

    def watch() -> None:
        while not stop.wait(0.1):
            found["growth_mb"] = max(found["growth_mb"], resident_mb(server) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def resident_mb(server: Server) -> float:
    pages = 0
    for pid in process_tree(server.pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


if __name__ == "__main__":
    main()
