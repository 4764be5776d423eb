"""A site of its own on the engine, with made-up images as archives, and their evaluation.

Imported once `prepare` may set Django up.
"""

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.chaos_containers import prepare
from benchmarks.harness.servers import ROOT

CASES = 300
PATCH_BYTES = 500_000
PROGRAM = """
import sys, time
from serving import field, good, serve
pause = {pause}
print(time.monotonic(), flush=True)
serve(lambda body, n: (time.sleep(pause), (200, good(body, float(field(body, "coordX")) / 1000)))[1])
"""


def docker(*arguments):
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


class Bench:
    """A site of its own, its images as archives, and both ways to run them."""

    def __init__(self, folder):
        self.folder = folder
        self.made = []  # names and IDs of images that may be on the engine
        self.instance = prepare(folder)
        from submissions.worker import engine_host

        self.hosts = engine_host
        self.engine = engine_host.connect()
        self.driver = engine_host.build_driver(self.engine)
        engine_host.container_host(self.engine)  # the self-test belongs to the worker's start

    def archive(self, pause, filler_bytes=0, program=PROGRAM):
        """Return (path of a saved archive, image ID) of a program that takes `pause` seconds a call."""
        from submissions.tests.containers import open_to_all

        context = Path(tempfile.mkdtemp(dir=self.folder))
        (context / "program.py").write_text(program.replace("{pause}", str(pause)))
        shutil.copy(ROOT / "submissions/tests/hostile/serving.py", context)
        with open(context / "filler", "wb") as file:
            for _ in range(filler_bytes >> 20):
                file.write(os.urandom(1 << 20))
        command = '["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
        lines = f"FROM {self.driver}\nCOPY . /model\nENTRYPOINT []\nEXPOSE 8000\nCMD {command}\n"
        (context / "Dockerfile").write_text(lines)
        tag = f"bench-{secrets.token_hex(4)}"
        self.made.append(tag)
        open_to_all(context)
        docker("build", "-q", "-t", tag, str(context))
        path = self.folder / f"{tag}.tar"
        docker("save", "-o", str(path), tag)
        image_id = docker("inspect", "-f", "{{.Id}}", tag)
        self.made.append(image_id)
        docker("rmi", tag)
        shutil.rmtree(context)
        return path, image_id

    def phase(self):
        from django.core.files.base import ContentFile
        from django.core.files.storage import storages

        from submissions.models import Case
        from submissions.tests.factories import make_dataset, make_phase

        phase = make_phase(make_dataset(truth=[0, 1] * (CASES // 2)))
        body = b"ElementDataFile = LOCAL\n" + os.urandom(PATCH_BYTES)
        key = storages["datasets"].save("scan.mha", ContentFile(body))
        for case in phase.dataset.cases.all():
            Case.objects.filter(pk=case.pk).update(image=key, facts={"point_xyz_mm": [case.position, 2.0, 3.0]})
        return phase

    def submit(self, phase, path):
        """Put the archive into the store by a hard link and submit it."""
        from django.core.files.storage import default_storage
        from django.utils import timezone

        from submissions import actions
        from submissions.storage.base import Stored
        from submissions.tests.factories import make_member

        key = f"submissions/{secrets.token_hex(8)}/image.tar"
        target = Path(default_storage.path(key))
        target.parent.mkdir(parents=True)
        os.link(path, target)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        stored = Stored(key, digest, path.stat().st_size)
        return actions.submit(
            user=make_member(), phase=phase, submission_type="docker", stored=stored, original_name="image.tar",
            received_at=timezone.now(),
        )  # fmt: skip

    def evaluate(self, submission):
        """Return the seconds of one whole evaluation, scoring included, and its timings."""
        from submissions import actions, tasks

        evaluation = submission.latest
        if evaluation.is_finished:
            evaluation = actions.re_evaluate(submission=submission)
        started = time.perf_counter()
        actions.evaluate(evaluation_id=evaluation.pk, worker="bench", run_image=tasks.run_image)
        seconds = time.perf_counter() - started
        evaluation.refresh_from_db()
        assert evaluation.status == "completed", (evaluation.status, evaluation.failure_code, evaluation.staff_detail)
        return seconds, evaluation.timings

    def forget(self, image_id):
        self.hosts.image_cache(self.engine).forget(image_id)
        subprocess.run(["docker", "rmi", "-f", image_id], capture_output=True)

    def close(self):
        """Remove every image of the run from the engine, also after an interruption, and its folder."""
        for name in self.made:
            self.forget(name)
        self.engine.remove_image(f"{self.hosts.driver_repository()}:pinned")
        shutil.rmtree(self.folder, ignore_errors=True)
