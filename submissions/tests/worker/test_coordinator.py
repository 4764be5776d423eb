"""One process holds many evaluations as jobs of a real Slurm cluster; each ends once, whatever becomes of a node."""

import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from submissions import actions, tasks
from submissions.models import Evaluation, Worker
from submissions.outages import gate
from submissions.tests.containers import SLURM, slurm_place
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, archive_of, make_lesions, send
from submissions.worker import engine_host
from submissions.worker.coordinator import Coordinator

pytestmark = [
    pytest.mark.engine,  # which builds the image
    pytest.mark.slurm,
    pytest.mark.postgres,  # a connection for each thread
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("bench", [SLURM], indirect=True, scope="module"),
    pytest.mark.timeout(900),
]
ROOT = Path(__file__).parents[3]
EVALUATIONS = 20


@pytest.fixture
def coordinator(bench, settings):
    """A coordinator that runs in threads of this process, on the tests' cluster."""
    place = slurm_place()
    settings.EVALUATION_ENGINE = "slurm"
    settings.SLURM = {
        "store": place.store, "partitions": place.partitions, "job_user": place.job_user, "python": place.python,
        "jobs_at_once": 8,
    }  # fmt: skip
    settings.INSTANCE, settings.DATA_DIR = bench.instance, bench.folder / "data"
    settings.EVALUATION_CASES_DIR = bench.folder / "site-cases"
    engine_host._tested_at.setdefault(bench.host.driver_image, time.monotonic())
    one = Coordinator(tasks.engine_probes, tasks.run_image)
    thread = threading.Thread(target=one.hold)
    yield lambda: thread.start()
    one.stopping.set()
    if thread.is_alive():
        thread.join(120)
    gate._gate = None
    assert not one.running or not any(each.is_alive() for each in one.running)
    engine = engine_host.connect()
    for image_id in engine_host.image_cache(engine).least_recently_used():
        engine_host.image_cache(engine).forget(image_id)
    engine.remove_image(f"{engine_host.driver_repository()}:pinned")


def wait_for(look, seconds):
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if look():
            return
        time.sleep(0.5)
    pytest.fail("it did not come about in time")


def rows():
    connection.close()
    return list(Evaluation.objects.values_list("status", "attempt", "failure_code", "staff_detail"))


def running_jobs(bench):
    return [state for _, name, state in bench.engine.slurm.jobs() if bench.instance in name and state == "RUNNING"]


def test_twenty_evaluations_end_once_though_a_node_daemon_is_killed(bench, coordinator):
    data = archive_of(bench, SERVE.format(BY_COORDINATE))
    phase = make_lesions(samples=0, daily_limit=100)
    submission = send(phase, data)
    for _ in range(EVALUATIONS - 1):
        Evaluation.objects.filter(submission=submission).update(status="completed")
        actions.re_evaluate(submission=submission)
    Evaluation.objects.filter(submission=submission).update(status="pending")
    coordinator()
    wait_for(lambda: running_jobs(bench) and "completed" in {row[0] for row in rows()}, 300)
    pid = (slurm_place().store.parent / "lunasite-n1.pid").read_text().strip()
    subprocess.run(["kill", "-9", pid], check=True)
    try:
        time.sleep(15)  # until Slurm has noticed
    finally:
        subprocess.run([ROOT / ".ci" / "start_slurm", "node", "lunasite-n1"], check=True)

    wait_for(lambda: {row[0] for row in rows()} <= {"completed", "failed", "cancelled"}, 400)

    assert {row[0] for row in rows()} == {"completed"}, rows()
    for evaluation in Evaluation.objects.all():
        assert evaluation.events.filter(stage="scored").count() == 1
        assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)
    assert bench.left_behind() == []


def test_a_stopping_coordinator_gives_its_work_back(bench, coordinator):
    submission = send(make_lesions(samples=0), archive_of(bench, "import time\ntime.sleep(3600)\n"))
    coordinator()
    wait_for(lambda: running_jobs(bench), 200)
    name = Worker.objects.get().name
    assert actions.release(worker=name) == 1
    wait_for(lambda: not running_jobs(bench), 60)
    submission.latest.refresh_from_db()
    assert bench.left_behind() == []
