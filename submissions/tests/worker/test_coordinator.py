"""One process holds many evaluations as jobs of a real Slurm cluster; each ends once, whatever becomes of a node."""

import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from submissions import tasks
from submissions.models import Evaluation, Submission, Worker
from submissions.outages import gate
from submissions.tests.containers import SLURM, node_two, slurm_place
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, archive_of, make_lesions, run, send
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
SLOWLY = "import time\n" + SERVE.format(BY_COORDINATE).replace("(200,", "(time.sleep(0.2) or 200,")


class InThreads:
    """A coordinator whose main thread is one of this process."""

    def __init__(self):
        self.coordinator = Coordinator(tasks.engine_probes, tasks.run_image)
        self.thread = threading.Thread(target=self.coordinator.hold)

    def start(self):
        self.thread.start()

    def stop(self):
        self.coordinator.stopping.set()
        if self.thread.ident:
            self.thread.join(120)
        assert not any(thread.is_alive() for thread in (self.thread, *self.coordinator.running))


@pytest.fixture
def coordinator(bench, settings):
    """A coordinator that runs in threads of this process, on the tests' cluster."""
    place = slurm_place("one", "two")
    settings.EVALUATION_ENGINE = "slurm"
    settings.SLURM = {
        "store": place.store, "partitions": place.partitions, "job_user": place.job_user, "python": place.python,
        "jobs_at_once": 8,
    }  # fmt: skip
    settings.INSTANCE, settings.DATA_DIR = bench.instance, bench.folder / "data"
    settings.EVALUATION_CASES_DIR = bench.folder / "site-cases"
    settings.EVALUATION_LEASE_SECONDS = 300  # however busy the machine is
    engine_host._tested_at.setdefault(bench.host.driver_image, time.monotonic())
    held = InThreads()
    yield held
    held.stop()
    gate._gate = None
    engine = engine_host.connect()
    for image_id in engine_host.image_cache(engine).least_recently_used():
        engine_host.image_cache(engine).forget(image_id)
    engine.remove_image(f"{engine_host.driver_repository()}:pinned")
    engine_host._pin_path(engine).unlink(missing_ok=True)


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
    return [key for key, name, state in bench.engine.slurm.jobs() if bench.instance in name and state == "RUNNING"]


def on_node_two(bench):
    return squeue_of_node_two() & set(running_jobs(bench))


def squeue_of_node_two():
    command = ["squeue", "--noheader", "--nodelist=lunasite-n2", "--format=%i"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def lose_node_two():
    """Kill its daemon while it runs a job, and start it again when Slurm has noticed."""
    pid = (slurm_place().store.parent / "lunasite-n2.pid").read_text().strip()
    subprocess.run(["kill", "-9", pid], check=True)
    try:
        time.sleep(15)
    finally:
        subprocess.run([ROOT / ".ci" / "start_slurm", "node", "lunasite-n2"], check=True)


def test_twenty_evaluations_end_once_though_a_node_daemon_is_killed(bench, coordinator):
    phase = make_lesions(samples=0)
    evaluated = run(send(phase, archive_of(bench, SLOWLY)))  # its image is loaded by it
    assert (evaluated.status, evaluated.attempt) == ("completed", 1), evaluated.staff_detail
    first = evaluated.submission
    first.refresh_from_db()
    for _ in range(EVALUATIONS - 1):
        known = send(phase, b"not fetched: the image is there")
        Submission.objects.filter(pk=known.pk).update(image_id=first.image_id, sha256=first.sha256)
    with node_two():
        coordinator.start()
        wait_for(lambda: on_node_two(bench), 300)
        lose_node_two()
        wait_for(lambda: {row[0] for row in rows()} <= {"completed", "failed", "cancelled"}, 400)
    assert [row[0] for row in rows()] == ["completed"] * EVALUATIONS, rows()
    for evaluation in Evaluation.objects.all():
        assert evaluation.events.filter(stage="scored").count() == 1
        assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)
    assert bench.left_behind() == []


def test_a_stopping_coordinator_gives_its_work_back(bench, coordinator):
    submission = send(make_lesions(samples=0), archive_of(bench, "import time\ntime.sleep(3600)\n"))
    coordinator.start()
    wait_for(lambda: running_jobs(bench), 200)
    assert Worker.objects.get().cluster == "containers"
    coordinator.stop()
    assert running_jobs(bench) == []
    assert submission.latest.status == "pending"
    assert Worker.objects.count() == 0
    assert bench.left_behind() == []
