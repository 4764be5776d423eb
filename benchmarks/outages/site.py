"""The site under attack: gunicorn and worker groups as subprocesses, submissions over HTTP, the count."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.harness.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
# On a machine with much else on it.
STARTS_WITHIN_S = 240.0


class Site:
    """Call `prepare` before anything of Django is imported in this process. code: the checkout that is started."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.port, self.code = folder, free_port(), ROOT
        self.env = {
            "DJANGO_SETTINGS_MODULE": "lunasite.settings", "DATA_DIR": str(folder / "data"), "LOG_LEVEL": "WARNING",
            "STATIC_ROOT": str(folder / "static"), "LOAD_MODEL": "0", "EVALUATION_LEASE_SECONDS": "10",
            "SECRET_KEY": "outages-" + "x" * 50, "ALLOWED_HOSTS": "127.0.0.1", "THROTTLE_SUBMIT": "100000/min",
            "WORKER_NAME": "host-a", **env,
        }  # fmt: skip
        self.log = (folder / "site.log").open("ab")
        self.web: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.acknowledged: list[str] = []
        self.token = ""
        self.phase = ""

    def prepare(self) -> None:
        os.environ.update(self.env)
        sys.path.insert(0, str(ROOT))
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        if "MINIO_ENDPOINT" in self.env:
            call_command("provision_storage", verbosity=0)
        from knox.models import get_token_model

        from submissions.tests import factories

        user = factories.make_member(f"chaos{secrets.token_hex(3)}")
        self.token = get_token_model().objects.create(user=user)[1]
        self.phase = factories.make_phase().slug

    def start_web(self, probe: str = "/live") -> None:
        command = [sys.executable, "-m", "gunicorn", "lunasite.wsgi:application", "--config",
                   "lunasite/serving/gunicorn.py", "--bind", f"127.0.0.1:{self.port}", "--workers", "2"]  # fmt: skip
        self.web = self._popen(command, {})
        wait_until(lambda: self.get(probe)[0] == 200, STARTS_WITHIN_S, "the web server does not start")

    def start_worker(
        self, host: str = "host-a", env: dict[str, str] | None = None, cluster: str = "evaluations"
    ) -> subprocess.Popen[bytes]:
        worker = self._popen([sys.executable, "manage.py", "work", cluster], {"WORKER_NAME": host, **(env or {})})
        self.workers.append(worker)
        return worker

    def _popen(self, command: list[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, **self.env, **env}
        return subprocess.Popen(
            command, cwd=self.code, env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def stop_workers(self) -> None:
        for worker in self.workers:
            end(worker)
        self.workers.clear()

    def close(self) -> None:
        self.stop_workers()
        if self.web is not None:
            end(self.web)

    # Requests

    def get(self, path: str, timeout: float = 30.0) -> tuple[int, float]:
        """Return (status, seconds); 0 where nobody answers."""
        started = time.monotonic()
        status = 0
        with contextlib.suppress(OSError):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                    answer.read()
                    status = answer.status
            except urllib.error.HTTPError as error:
                status = error.code
        return status, time.monotonic() - started

    def submit(self) -> bool:
        """Send a CSV; return whether the site acknowledged it."""
        from submissions.tests.factories import csv_bytes

        return self._post("/api/v1/submissions", self.phase, "p.csv", csv_bytes())

    def submit_image(self, phase: str, archive: bytes) -> None:
        """Send an image. Raises RuntimeError when it is refused."""
        if not self._post("/api/v1/submissions/docker", phase, "model.tar.gz", archive):
            raise RuntimeError("an image was refused before the fault")

    def _post(self, path: str, phase: str, name: str, data: bytes) -> bool:
        boundary = secrets.token_hex(8)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="phase"\r\n\r\n{phase}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Authorization": f"Bearer {self.token}", "Content-Type": f"multipart/form-data; boundary={boundary}"
        }  # fmt: skip
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.acknowledged.append(json.loads(answer.read())["id"])
                return True
        except OSError:  # HTTPError is one
            return False

    def submit_many(self, count: int) -> None:
        for _ in range(count):
            if not self.submit():
                raise RuntimeError("a submission was refused before the fault")

    @contextlib.contextmanager
    def load(self, every_s: float = 0.5):
        """Submit from a thread while the block runs; refusals are no loss, acknowledgements must hold."""
        stop = threading.Event()

        def send() -> None:
            while not stop.wait(every_s):
                self.submit()

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(90)

    # The count

    def wait_until_done(self, limit_s: float) -> float:
        """Return the seconds until nothing acknowledged is open any more; raises TimeoutError."""
        started = time.monotonic()
        wait_until(lambda: self.open_count() == 0, limit_s, f"{self.open_count()} evaluations stay open")
        return time.monotonic() - started

    def open_count(self) -> int:
        from django.db import DatabaseError, connection

        from submissions.models import Evaluation

        try:
            return Evaluation.objects.filter(status__in=("pending", "running")).count()
        except DatabaseError:
            connection.close()
            return -1

    def verdict(self) -> tuple[int, int]:
        """Return (lost, doubled) of what was acknowledged since `forget`."""
        from submissions.models import Evaluation, EvaluationEvent

        completed = Evaluation.objects.filter(submission__in=self.acknowledged, status="completed").count()
        scored = EvaluationEvent.objects.filter(evaluation__submission__in=self.acknowledged, stage="scored").count()
        return len(self.acknowledged) - completed, scored - completed


def wait_until(is_so, limit_s: float, complaint: str) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.2)


def end(process: "subprocess.Popen[bytes]", limit_s: float = 40.0) -> float:
    """Ask a process to end; return how long it took. What does not end is killed, with its group."""
    started = time.monotonic()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(limit_s)
    took_s = time.monotonic() - started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return took_s
