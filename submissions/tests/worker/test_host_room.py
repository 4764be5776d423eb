"""How many images a host runs at once: by its CPUs and memory, bounded by its processes, in the fair order."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from submissions import actions, tasks
from submissions.actions.queue import DOCKER_CLUSTER
from submissions.models import Evaluation
from submissions.outages import gate
from submissions.tests.evaluated_images import archive_of, make_lesions, send
from submissions.worker import host_room
from submissions.worker.host_room import KnownMachine, Room, fitting, footprint

GIB = 1 << 30
MACHINE = KnownMachine(8, 64 * GIB)
SLOW = (
    "import time\nfrom serving import good, serve, field\n"
    "serve(lambda body, n: (time.sleep(0.4), (200, good(body, float(field(body, 'coordX')) / 100)))[1])\n"
)


@pytest.fixture
def waiting(db):
    """Return a function that makes a waiting image of a phase with these limits, sent so many minutes ago."""

    def make(minutes=0, contract="http", **limits):
        submission = send(make_lesions(**{"cpus": 1, "memory_mib": 1024} | limits), b"an image", contract=contract)
        Evaluation.objects.update(available_at=timezone.now() - timedelta(minutes=minutes))
        return submission.latest

    return make


def run_here(evaluation):
    Evaluation.objects.filter(pk=evaluation.pk).update(
        status="running", worker=f"{host_room.this_host()}/containers/1:2"
    )


def test_a_host_takes_what_fits_beside_what_it_runs(waiting):
    runs, small, large, hungry = waiting(cpus=5), waiting(cpus=3), waiting(cpus=3.1), waiting(memory_mib=60 * 1024)
    run_here(runs)
    keys = [large.pk, small.pk, hungry.pk]
    assert fitting(keys, MACHINE) == [small.pk]
    assert fitting(keys, KnownMachine(9, 128 * GIB)) == keys


def test_what_is_larger_than_the_host_runs_alone(waiting):
    huge, small = waiting(memory_mib=100 * 1024, cpus=64), waiting()
    assert fitting([huge.pk, small.pk], MACHINE) == [huge.pk, small.pk]
    run_here(small)
    assert fitting([huge.pk], MACHINE) == []


def test_other_hosts_and_csvs_take_nothing_of_it(waiting):
    elsewhere, whole = waiting(cpus=8), waiting(cpus=8)
    run_here(elsewhere)
    Evaluation.objects.filter(pk=elsewhere.pk).update(worker="another/containers/1:2")
    assert fitting([whole.pk], MACHINE) == [whole.pk]


def test_one_that_does_not_fit_lets_others_pass_for_ten_minutes_only(waiting):
    runs, large, small = waiting(cpus=4), waiting(cpus=8), waiting(cpus=1)
    run_here(runs)
    keys = [large.pk, small.pk]
    assert fitting(keys, MACHINE) == [small.pk]
    Evaluation.objects.filter(pk=large.pk).update(available_at=timezone.now() - timedelta(minutes=11))
    assert fitting(keys, MACHINE) == []


def test_one_gpu_is_for_one_evaluation(waiting):
    runs, also, without = waiting(gpu=True), waiting(gpu=True), waiting()
    run_here(runs)
    assert fitting([also.pk, without.pk], MACHINE) == [without.pk]


def test_a_batch_takes_the_limits_of_each_of_its_containers(waiting, settings):
    batch = waiting(contract="batch", cpus=2, memory_mib=4096).submission
    assert footprint(batch, MACHINE) == Room(8, 4 * 4096)
    settings.CONTAINER_WORKERS = 2
    assert footprint(batch, MACHINE) == Room(4, 2 * 4096)


def test_tenths_of_a_cpu_add_up_to_one(waiting):
    for evaluation in (waiting(cpus=0.1), waiting(cpus=0.7)):
        run_here(evaluation)
    assert fitting([waiting(cpus=0.2).pk], KnownMachine(1, 64 * GIB))


def test_a_full_host_gives_its_message_back_and_takes_none_until_it_looks_again(waiting, monkeypatch):
    run_here(waiting(cpus=8))
    left = waiting(cpus=8)
    monkeypatch.setattr(host_room, "machine_of_engine", lambda: MACHINE)
    sent = []
    monkeypatch.setattr("submissions.actions.work.send_message", lambda key, cluster: sent.append((key, cluster)))
    gate.install()
    try:
        actions.work_on_message(
            evaluation_id=left.pk, worker="w", run_image=None, probes=lambda cluster: [], room=tasks.host_room
        )
        assert (sent, gate.is_open()) == ([(left.pk, DOCKER_CLUSTER)], False)
    finally:
        gate._gate = None
    assert Evaluation.objects.get(pk=left.pk).status == "pending"


@pytest.mark.engine
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_of_five_images_run_at_once_where_each_wants_half_of_the_cpus(bench, site_on_engine):
    cpus = bench.engine.capacity()[0]
    phase = make_lesions(cpus=cpus / 2, memory_mib=128, startup_s=30)
    data = archive_of(bench, SLOW)
    for _ in range(5):
        send(phase, data)
    seen = SimpleNamespace(most=0)

    def work(number):
        worker = f"{host_room.this_host()}/containers/{number}:{number}"
        given_up = time.monotonic() + 200
        while Evaluation.objects.filter(status="pending").exists() and time.monotonic() < given_up:
            run = {"cluster": DOCKER_CLUSTER, "worker": worker, "run_image": tasks.run_image}
            if not actions.work_once(**run, room=tasks.host_room):
                time.sleep(0.1)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, number) for number in range(4)]
        while not all(worker.done() for worker in workers):
            seen.most = max(seen.most, Evaluation.objects.filter(status="running").count())
            time.sleep(0.05)
    assert [worker.result() for worker in workers] == [None] * 4
    assert set(Evaluation.objects.values_list("status", "failed_attempts", "attempt")) == {("completed", 0, 1)}
    assert seen.most == 2
    assert bench.left_behind() == []
