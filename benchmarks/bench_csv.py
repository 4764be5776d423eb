"""P12: submit → running ≤ 1 s; a 6,163-row CSV → score on the board ≤ 2 s, on an idle worker.

    make bench-csv

Starts the real site (gunicorn and workers) on a place of its own, posts LUNA25-sized CSVs over HTTP one after the
other, and polls as a client would. The named alternative, in the same run: reading and scoring the same file with
pandas-free Python and scikit-learn's roc_auc_score with a loop of 1,000 bootstraps, in this process, without any
queue or web server: what a participant's notebook does.
"""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import requests

ROOT = Path(__file__).resolve().parent.parent
CASES, POSITIVE, ROUNDS = 6163, 555, 5


def make_files(folder: Path) -> tuple[Path, Path]:
    """Write a ground-truth table and predictions with LUNA25's size and share of malignant lesions."""
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.arange(CASES) < POSITIVE).astype(int)
    scores = 1 / (1 + np.exp(-rng.normal(truth * 1.7 - 1, 1)))
    table, predictions = folder / "truth.csv", folder / "predictions.csv"
    rows = [f"A{i},P{i // 3},1.2.{i // 2},1,2,3,{label}" for i, label in enumerate(truth)]
    table.write_text("\n".join(["AnnotationID,PatientID,SeriesInstanceUID,CoordX,CoordY,CoordZ,label", *rows]))
    predictions.write_text("\n".join(["AnnotationID,probability", *(f"A{i},{p:.8f}" for i, p in enumerate(scores))]))
    return table, predictions


def manage(*command: str, env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def site(env: dict[str, str]):
    """Run the whole site; yield its address."""
    port = free_port()
    log = Path(env["DATA_DIR"]) / "site.log"
    command = [sys.executable, "manage.py", "start", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{address}/health", timeout=5).ok:
                    break
            time.sleep(0.2)
        time.sleep(5)  # the workers start beside the web server
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def submit_and_watch(address: str, token: str, predictions: Path) -> tuple[float, float]:
    """Return seconds from the POST to `running` (or later), and to the score on the board."""
    headers = {"Authorization": f"Bearer {token}"}
    started = time.perf_counter()
    with predictions.open("rb") as file:
        answer = requests.post(
            f"{address}/api/v1/submissions", data={"phase": "p"}, files={"file": file}, headers=headers, timeout=60
        )
    assert answer.status_code == 201, answer.text
    url, running = f"{address}/api/v1/submissions/{answer.json()['id']}", None
    while True:
        body = requests.get(url, headers=headers, timeout=60).json()
        if running is None and body["evaluation_status"] != "pending":
            running = time.perf_counter() - started
        if body["evaluation_status"] == "completed":
            break
        assert body["evaluation_status"] != "failed", body
        time.sleep(0.02)
    assert requests.get(f"{address}/api/v1/leaderboard?phase=p", timeout=60).json()["rows"]
    return running, time.perf_counter() - started


def notebook(table: Path, predictions: Path) -> float:
    """Return seconds of scoring the same file by hand: AUC and its bootstrap with scikit-learn."""
    from sklearn.metrics import roc_auc_score

    started = time.perf_counter()
    truth = dict(line.split(",")[::6] for line in table.read_text().splitlines()[1:])
    pairs = [line.split(",") for line in predictions.read_text().splitlines()[1:]]
    y, p = np.array([int(truth[name]) for name, _ in pairs]), np.array([float(score) for _, score in pairs])
    rng = np.random.RandomState(42)
    for _ in range(1000):
        drawn = rng.randint(0, len(y), len(y))
        roc_auc_score(y[drawn], p[drawn])
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lunasite-bench-") as folder:
        table, predictions = make_files(Path(folder))
        env = {**os.environ, "DATA_DIR": folder, "LOG_LEVEL": "ERROR", "DOCKER_HOST": ""}
        manage("migrate", env=env)
        manage("import_dataset", "--kind", "lesion", "--name", "d", "--truth", str(table), "--practice", env=env)
        manage("open_phase", "--dataset", "d", "--slug", "p", "--title", "P", env=env)
        token = manage("create_token", "bench", "--create", env=env)
        with site(env) as address:
            submit_and_watch(address, token, predictions)  # warm
            rounds = [
                (*submit_and_watch(address, token, predictions), notebook(table, predictions)) for _ in range(ROUNDS)
            ]
    running, scored, by_hand = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"P12 submit → running          {running:.2f} s   target ≤ 1 s")
    print(f"P12 6,163 rows → on the board {scored:.2f} s   target ≤ 2 s")
    print(f"    scikit-learn in a notebook {by_hand:.2f} s   ratio {by_hand / scored:.2f}")


if __name__ == "__main__":
    main()
