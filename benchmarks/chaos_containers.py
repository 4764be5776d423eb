"""Kill the container worker at random moments: every evaluation ends once, and nothing of ours is left.

    python benchmarks/chaos_containers.py --kills 50 [--seed 1]

Runs a site of its own (database, files, instance name) in a temporary folder, sends images that take a
moment, and kills the whole worker group with SIGKILL again and again, starting it anew each time.
"""

import argparse
import gzip
import hashlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PROGRAM = """
import time
from serving import field, good, serve
serve(lambda body, n: (time.sleep(0.1), (200, good(body, float(field(body, "coordX")) / 100)))[1])
"""
LEFT_WITHIN_S = 90.0


def prepare(folder):
    """Point the settings at a fresh site and make its database."""
    instance = f"chaos{secrets.token_hex(3)}"
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "lunasite.settings",
        "DATA_DIR": str(folder / "data"),
        "EVALUATION_CASES_DIR": str(folder / "cases"),
        "LUNASITE_INSTANCE": instance,
        "EVALUATION_LEASE_SECONDS": "4",
        "EVALUATION_MAX_ATTEMPTS": "1000",
        "EVALUATION_MEMORY": "256m",
        "LOG_LEVEL": "WARNING",
        "OMP_NUM_THREADS": "1",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("build_driver", verbosity=0)
    return instance


def archive(folder, driver):
    """Return a small image's archive; the image itself is not left on the engine."""
    from submissions.tests.containers import open_to_all

    context = folder / "context"
    context.mkdir()
    (context / "program.py").write_text(PROGRAM)
    shutil.copy(ROOT / "submissions/tests/hostile/serving.py", context)
    command = '["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
    (context / "Dockerfile").write_text(f"FROM {driver}\nCOPY . /model\nENTRYPOINT []\nCMD {command}\n")
    tag = f"chaos-{secrets.token_hex(4)}"
    open_to_all(context)
    subprocess.run(["docker", "build", "-q", "-t", tag, str(context)], check=True, capture_output=True)
    data = subprocess.run(["docker", "save", tag], check=True, capture_output=True).stdout
    subprocess.run(["docker", "rmi", tag], check=True, capture_output=True)
    return gzip.compress(data, 1)


def send(phase, data, user):
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from django.utils import timezone

    from submissions import actions
    from submissions.storage.base import Stored

    key = default_storage.save(f"submissions/{secrets.token_hex(8)}/image.tar.gz", ContentFile(data))
    stored = Stored(key, hashlib.sha256(data).hexdigest(), len(data))
    return actions.submit(
        user=user, phase=phase, submission_type="docker", stored=stored, original_name="image.tar.gz",
        received_at=timezone.now(),
    )  # fmt: skip


def make_phase():
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages

    from submissions.models import Case
    from submissions.tests.factories import make_phase as plain_phase

    phase = plain_phase()
    key = storages["datasets"].save("scan.mha", ContentFile(b"ElementDataFile = LOCAL\nvoxels"))
    for case in phase.dataset.cases.all():
        Case.objects.filter(pk=case.pk).update(image=key, facts={"point_xyz_mm": [10 + case.position, 2.0, 3.0]})
    return phase


def start_worker(log):
    command = [sys.executable, str(ROOT / "manage.py"), "work", "containers"]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=log, stderr=log)


def kill(worker):
    """End the worker's own process group, which nobody else is in."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def stop(worker):
    """Ask the worker to end, as a deployment does, and wait until it has."""
    worker.terminate()
    worker.wait(timeout=60)


def open_evaluations():
    from submissions.models import Evaluation

    return Evaluation.objects.filter(status__in=["pending", "running"]).count()


def attack(kills, rng, phase, data, log):
    """Keep two submissions open while killing; return all submissions."""
    from submissions.tests.factories import make_member

    user, sent = make_member(), []
    for number in range(kills):
        while open_evaluations() < 2:
            sent.append(send(phase, data, user))
        worker = start_worker(log)
        wait_for_claim()
        moment = rng.uniform(0.0, 5.0)
        time.sleep(moment)
        stages = stages_now()
        if number % 5 == 4:
            stop(worker)  # as a deployment does; it must leave nothing itself
        else:
            kill(worker)
        print(f"kill {number + 1}/{kills}, {moment:.1f} s into work, at {stages}, {len(sent)} sent", flush=True)
    return sent


def wait_for_claim(limit_s=30):
    """Wait until the new worker has claimed something."""
    from django.utils import timezone

    from submissions.models import Evaluation

    begun, give_up = timezone.now(), time.monotonic() + limit_s
    while not Evaluation.objects.filter(status="running", started_at__gt=begun).exists():
        if time.monotonic() > give_up:
            return
        time.sleep(0.05)


def stages_now():
    from submissions.models import Evaluation

    return sorted(Evaluation.objects.filter(status="running").values_list("stage", flat=True))


def settle(log, limit_s=300):
    worker = start_worker(log)
    give_up = time.monotonic() + limit_s
    while open_evaluations() and time.monotonic() < give_up:
        time.sleep(0.5)
    return worker


def ours(engine, instance):
    labels = {"luna.instance": instance}
    return [container.name for container in engine.own_containers(labels)] + list(engine.own_volumes(labels))


def wait_until_clean(engine, instance):
    started = time.monotonic()
    while ours(engine, instance) and time.monotonic() - started < LEFT_WITHIN_S:
        time.sleep(0.5)
    return ours(engine, instance), time.monotonic() - started


def verdict(sent):
    """Return what is wrong with the evaluations; nothing is good."""
    wrong = []
    for submission in sent:
        evaluations = list(submission.evaluations.all())
        scored = sum(event.stage == "scored" for evaluation in evaluations for event in evaluation.events.all())
        if [evaluation.status for evaluation in evaluations] != ["completed"] or scored != 1:
            wrong.append(
                (submission.pk, [(evaluation.status, evaluation.failure_code) for evaluation in evaluations], scored)
            )
        elif abs(evaluations[0].scores["public"]["auc"] - 1.0) > 1e-9:
            wrong.append((submission.pk, "score", evaluations[0].scores))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-containers-"))
    folder.chmod(0o755)
    instance = prepare(folder)
    from submissions.worker import engine_host

    engine = engine_host.connect()
    foreign = f"foreign-{secrets.token_hex(4)}"
    driver = engine_host.build_driver(engine)
    subprocess.run(
        ["docker", "run", "-d", "--network", "none", "--name", foreign, "--label", "luna.instance=another-site",
         driver, "hold"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with open(folder / "worker.log", "w") as log:
            sent = attack(options.kills, random.Random(options.seed), make_phase(), archive(folder, driver), log)
            worker = settle(log)
            left, seconds = wait_until_clean(engine, instance)
            worker.terminate()
            worker.wait(timeout=60)
        wrong = verdict(sent)
        images = engine_host.image_cache(engine).least_recently_used()
        attempts = [evaluation.attempt for submission in sent for evaluation in submission.evaluations.all()]
        print(f"{options.kills} kills, {len(sent)} evaluations, {sum(attempts)} attempts; not right: {wrong or 'none'}")
        print(f"left after {seconds:.0f} s: {left or 'nothing'}; images known to the keeper: {len(images)}")
        alive = subprocess.run(
            ["docker", "inspect", "-f", "{{.State.Running}}", foreign], capture_output=True, text=True
        )
        print(f"foreign container untouched: {alive.stdout.strip()}")
        ok = not wrong and not left and len(images) <= 1 and alive.stdout.strip() == "true"
        if not ok:
            print((folder / "worker.log").read_text()[-5000:])
    finally:
        subprocess.run(["docker", "rm", "-f", foreign], capture_output=True)
        for image_id in engine_host.image_cache(engine).least_recently_used():
            engine_host.image_cache(engine).forget(image_id)
        engine.remove_image(f"{engine_host.driver_repository()}:pinned")
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
