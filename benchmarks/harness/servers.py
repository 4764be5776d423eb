"""Start the servers that are measured, each in a process group of its own on a free port, and end them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
STARTUP_S = 120


@dataclass(frozen=True)
class Server:
    """A running server: where to POST, with what headers, and which process began it."""

    name: str
    port: int
    path: str
    pid: int
    headers: dict[str, str] = field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(
    name: str, command: list[str], path: str, env: dict[str, str], headers: dict[str, str] | None = None, output=None
) -> Iterator[Server]:
    """Start `command` ({port} stands for a free one) and wait for /health. output: a file for what it says."""
    port = free_port()
    process = subprocess.Popen(
        [word.replace("{port}", str(port)) for word in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **env},
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        _wait_until_healthy(process, port)
        yield Server(name, port, path, process.pid, headers or {})
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def uvicorn(module: str, workers: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", module, "--host", "127.0.0.1", "--port", "{port}"]
    return [*command, "--log-level", "warning", "--workers", str(workers)]


def gunicorn(module: str, workers: int, config: str | None = "lunasite/serving/gunicorn.py") -> list[str]:
    command = [sys.executable, "-m", "gunicorn", module, "--bind", "127.0.0.1:{port}", "--workers", str(workers)]
    return [*command, "--config", config] if config else [*command, "--threads", "8"]


def command_of(name: str, module: str = "lunasite.wsgi:application", workers: int = WORKERS) -> list[str]:
    """Return how a web server is started.

    name: "site", as the site itself does it; a candidate of decision 9; or the folder of another working tree.
    """
    if name.startswith("/"):
        return [*gunicorn(module, workers, f"{name}/lunasite/serving/gunicorn.py"), "--chdir", name]
    if name == "gthread":
        return [*gunicorn(module, workers), "--worker-class", "gthread"]
    if name == "waitress":
        return [sys.executable, "-m", "benchmarks.reference.waitress_site", module, "{port}", str(workers)]
    if name == "granian":
        command = [sys.executable, "-m", "granian", module, "--interface", "wsgi", "--host", "127.0.0.1"]
        return [*command, "--port", "{port}", "--workers", str(workers), "--blocking-threads", "8", "--no-log"]
    return gunicorn(module, workers)


@contextmanager
def site(weights: Path, data_dir: Path) -> Iterator[Server]:
    """Start lunasite itself, migrated, with a token, as `manage.py start` runs its web part.

    The environment's BENCH_SERVER names another web server to compare (`command_of`).
    """
    env = {
        "DATA_DIR": str(data_dir), "SECRET_KEY": "benchmark-" + "x" * 50, "ALLOWED_HOSTS": "127.0.0.1",
        "CONFIG_PATH": str(weights / "slice.json"), "MODEL_PATH": str(weights / "slice.safetensors"),
        "LESION_CONFIG_PATH": str(weights / "lesion.json"),
        "LESION_MODEL_PATH": str(weights / "lesion.safetensors"),
        "THROTTLE_LESION": "1000000/min", "LOG_LEVEL": "ERROR", "PROMETHEUS_MULTIPROC_DIR": str(data_dir / "counters"),
        "DATABASE_URL": f"sqlite:///{data_dir / 'bench.sqlite3'}", "STATIC_ROOT": str(data_dir / "static"),
    }  # fmt: skip
    (data_dir / "counters").mkdir()
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "collectstatic", "--noinput", "--verbosity", "0")
    token = manage(env, "create_token", "bench", "--create").split()[-1]
    headers = {"Authorization": f"Bearer {token}"}
    command = command_of(os.environ.get("BENCH_SERVER", "site"))
    with running("lunasite", command, "/api/v1/predict/lesion", env, headers) as server:
        yield server


def manage(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]}: {done.stderr[-2000:]}")
    return done.stdout


def reference(weights: Path, *, lean: bool = False) -> "contextmanager[Server]":
    env = {"WEIGHTS_DIR": str(weights), "LEAN": str(int(lean))}
    name = "lean reference" if lean else "reference"
    return running(name, uvicorn("benchmarks.reference.app:app", 1), "/predict", env)


def twin(weights: Path) -> "contextmanager[Server]":
    return running("twin", uvicorn("benchmarks.reference.twin:app", WORKERS), "/predict", {"WEIGHTS_DIR": str(weights)})


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTUP_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def process_tree(pid: int) -> list[int]:
    """Return the pid and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found
