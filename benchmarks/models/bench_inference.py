"""P1 to P7: the inference side against the reference and the twin in benchmarks/reference.

    make bench-inference            # all of it, about five minutes
    PYTHONPATH=. python benchmarks/models/bench_inference.py --only P1 P5

Every figure is a ratio of medians over interleaved rounds, in one call.
"""

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.load import lesion_body_of, multipart, post, requests_per_second
from benchmarks.harness.results import Result, show
from benchmarks.harness.scans import Scans, prepare
from benchmarks.harness.servers import (
    ROOT,
    WORKERS,
    Server,
    gunicorn,
    process_tree,
    reference,
    running,
    site,
    twin,
    uvicorn,
)
from benchmarks.models import bench_reading

ROUNDS = 5
WEIGHTS = ROOT / "inference" / "weights"
UPLOAD_BYTES = 66 * 1024**2


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        scans = prepare(Path(folder))
        sections: dict[str, Callable[[], list[Result]]] = {
            "P1": lambda: api(scans, Path(folder), arguments.weights),
            "cube": lambda: api_with_cube_model(scans, Path(folder)),
            "P5": lambda: forward(arguments.weights),
            "P6": lambda: bench_reading.measure(scans),
            "P7": uploads,
        }
        results = [
            result for name, section in sections.items() if not arguments.only or name in arguments.only
            for result in section()
        ]  # fmt: skip
        show(f"Inference, {WORKERS} web processes, {os.cpu_count()} cores, {scans.source}", results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="P1 (with P2, P3, P4), cube, P5, P6, P7")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    return parser.parse_args()


def api(scans: Scans, folder: Path, weights: Path) -> list[Result]:
    """P1 to P4 with all servers up at once, each idle while another is asked."""
    with ExitStack() as stack:
        ours = stack.enter_context(site(weights, folder))
        slow = stack.enter_context(reference(weights))
        lean = stack.enter_context(reference(weights, lean=True))
        equal = stack.enter_context(twin(weights))
        bodies = {
            name: lesion_body_of(path, scans.point_xyz_mm)
            for name, path in [("patch", scans.patch), ("zlib", scans.compressed), ("raw", scans.raw)]
        }
        _agree([ours, slow, lean, equal], bodies["patch"])
        return [
            *patches([ours, slow, lean, equal], bodies["patch"]),
            *whole_scans([ours, slow], bodies),
            *memory(ours, slow, bodies["zlib"]),
        ]


def api_with_cube_model(scans: Scans, folder: Path) -> list[Result]:
    """P1 again with an untrained network over a 64 x 64 x 64 cube, the size the target was set for.

    The shipped lesion model is so small that what is left to measure is the web framework.
    """
    weights = folder / "cube"
    save_cube_model(weights)
    with ExitStack() as stack:
        ours = stack.enter_context(site(weights, weights))
        slow = stack.enter_context(reference(weights))
        equal = stack.enter_context(twin(weights))
        body = lesion_body_of(scans.patch, scans.point_xyz_mm)
        _agree([ours, slow, equal], body)
        rates = interleaved([ours, slow, equal], body, concurrency=8, count=40)
    return [
        Result("P1", "the same with a 64³ network, vs reference", rates["lunasite"] / rates["reference"], 6,
               _figures(rates, "1/s")),
        Result("P1", "the same with a 64³ network, vs twin", rates["lunasite"] / rates["twin"], 0.9),
    ]  # fmt: skip


def save_cube_model(folder: Path) -> None:
    """Write a lesion model of three members that takes a cube of 50 mm; it has learnt nothing."""
    import torch

    from inference.networks.model.architectures import LesionNet
    from inference.networks.model.weights import save_network

    folder.mkdir()
    torch.manual_seed(0)
    architecture = {"members": 3, "slices": 64, "width": 24}
    crop = {"shape_zyx": [64, 64, 64], "spacing_zyx_mm": [50 / 64] * 3, "smooth": False}
    save_network(
        LesionNet(**architecture), folder / "lesion.safetensors", kind="lesion", name="cube",
        architecture=architecture, input=crop,
    )  # fmt: skip


def _agree(servers: Sequence[Server], body: bytes) -> None:
    """Warm each process of each server up, and check that all answer (nearly) the same."""
    answers = []
    for server in servers:
        requests_per_second(server, body, concurrency=8, count=40)
        with_connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        answers.append(post(with_connection, server, body)["data"]["probability"])
        with_connection.close()
    print("probabilities", dict(zip([server.name for server in servers], answers, strict=True)))
    if max(answers) - min(answers) > 0.1:
        raise RuntimeError("the servers do not compute the same thing")


def patches(servers: list[Server], body: bytes) -> list[Result]:
    rates = interleaved(servers, body, concurrency=8, count=80)
    ours = rates["lunasite"]
    return [
        Result("P1", "patches/s vs reference", ours / rates["reference"], 6, _figures(rates, "1/s")),
        Result("P1", "patches/s vs lean reference", ours / rates["lean reference"], 0, "no cube: straight to our crop"),
        Result("P1", "patches/s vs twin", ours / rates["twin"], 0.9, f"{WORKERS} processes each"),
    ]


def whole_scans(servers: list[Server], bodies: dict[str, bytes]) -> list[Result]:
    results = []
    for name, body, concurrency, count, requested in [
        ("P2", "zlib", 1, 3, 1.8), ("P2", "zlib", 4, 8, 2.3), ("P3", "raw", 1, 3, 2.5),
    ]:  # fmt: skip
        rates = interleaved(servers, bodies[body], concurrency=concurrency, count=count)
        what = f"whole {body} volume, concurrency {concurrency}, vs reference"
        results.append(Result(name, what, rates["lunasite"] / rates["reference"], requested, _figures(rates, "1/s")))
    return results


def interleaved(servers: list[Server], body: bytes, *, concurrency: int, count: int) -> dict[str, float]:
    """Return each server's median requests per second; the servers take turns."""
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(ROUNDS):
        for server in servers:
            rates[server.name].append(requests_per_second(server, body, concurrency=concurrency, count=count))
    return {name: statistics.median(values) for name, values in rates.items()}


def memory(ours: Server, slow: Server, body: bytes) -> list[Result]:
    growth = {server.name: growth_mb(server, body) for server in (ours, slow)}
    figures = f"reference {growth['reference']:.0f} MB"
    return [Result("P4", "MB of growth a CT request", growth["lunasite"], 64, figures, at_most=True)]


def growth_mb(server: Server, body: bytes) -> float:
    """Return by how much all processes of a server grow at most over their rest while one request runs."""
    pids = process_tree(server.pid)
    before = 0
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # sets the peak back to now
        before += _status_kib(pid, "VmRSS")
    requests_per_second(server, body, concurrency=1, count=1)
    return (sum(_status_kib(pid, "VmHWM") for pid in pids) - before) / 1024


def _status_kib(pid: int, name: str) -> int:
    _, found, rest = Path(f"/proc/{pid}/status").read_text().partition(f"{name}:")
    return int(rest.split()[0]) if found else 0


FORWARD = """
import sys, json, statistics, time, torch
from pathlib import Path
from inference.networks.model.forward import fast_forward
from inference.networks.model.weights import load_network, read_config
torch.set_num_threads(1)
folder, kind = Path(sys.argv[1]), sys.argv[2]
config = read_config(folder / f"{kind}.json")
network = load_network(config, folder / f"{kind}.safetensors")
side = config.input.get("side")
shape = (1, 1, side, side) if side else (1, 1, *config.crop_spec().shape_zyx)
example = torch.linspace(0, 1, int(torch.tensor(shape).prod())).reshape(shape)
forward = fast_forward(network, example)
taken = {"eager": [], "shipped": []}
with torch.inference_mode():
    for _ in range(15):
        for name, run in (("eager", network), ("shipped", forward)):
            began = time.perf_counter()
            for _ in range(5):
                run(example)
            taken[name].append((time.perf_counter() - began) / 5)
print(json.dumps({name: statistics.median(values) for name, values in taken.items()}
                 | {"difference": forward.worst_difference}))
"""


def forward(weights: Path) -> list[Result]:
    import json

    results = []
    for kind in ("lesion", "slice"):
        if not (weights / f"{kind}.json").exists():
            continue
        command = [sys.executable, "-W", "ignore", "-c", FORWARD, str(weights), kind]
        found = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        figures = f"{found['shipped'] * 1e3:.1f} ms against {found['eager'] * 1e3:.1f} ms, |Δp| {found['difference']}"
        results.append(Result("P5", f"{kind} forward vs eager", found["eager"] / found["shipped"], 2, figures))
    return results


def uploads() -> list[Result]:
    """P7: one process each, receiving 66 MB and nothing else."""
    body = multipart({}, os.urandom(1 << 20) * 66, "scan.mha")
    with ExitStack() as stack:
        ours = stack.enter_context(
            running("ours", gunicorn("benchmarks.reference.upload_site:application", 1, None), "/upload", {})
        )
        fastapi = stack.enter_context(running("fastapi", uvicorn("benchmarks.reference.uploads:app", 1), "/upload", {}))
        rates = interleaved([ours, fastapi], body, concurrency=1, count=4)
    return [
        Result(
            "P7", "66 MB upload vs FastAPI UploadFile", rates["ours"] / rates["fastapi"], 1.3, _figures(rates, "1/s")
        )
    ]


def _figures(rates: dict[str, float], unit: str) -> str:
    return ", ".join(f"{name} {rate:.3g} {unit}" for name, rate in rates.items())


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"\n{time.monotonic() - began:.0f} s")
