"""The daemon of an engine of its own dies under a running model: no attempt is counted, and the next one is scored."""

import socket
import threading
import time

import pytest
from django.utils import timezone

from benchmarks.outages.engine import Engine
from submissions import actions, tasks
from submissions.models import Evaluation
from submissions.outages import hosts
from submissions.tests.evaluated_images import archive_of, make_lesions, run, send
from submissions.worker import engine_host

SLOW = (
    "import time\nfrom serving import good, serve, field\n"
    "serve(lambda body, n: (time.sleep(1), (200, good(body, float(field(body, 'coordX')) / 100)))[1])\n"
)
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def own_engine(bench, settings):
    engine = Engine()
    settings.DOCKER_HOST = engine.address
    settings.INSTANCE = bench.instance
    settings.DATA_DIR = bench.folder / "data"
    settings.EVALUATION_CASES_DIR = bench.folder / "site-cases"
    engine_host._tested_at.setdefault(bench.host.driver_image, time.monotonic())
    interfaces = {name for _, name in socket.if_nameindex()}
    engine.start()
    try:
        assert interfaces <= {name for _, name in socket.if_nameindex()}, "it took a network of another engine"
        yield engine
    finally:
        engine.stop()


def kill_once_it_predicts(engine):
    """Kill the daemon when model, driver and holder run."""
    give_up = time.monotonic() + 300
    while len(engine.docker("ps", "-q").split()) < 3 and time.monotonic() < give_up:
        time.sleep(0.2)
    time.sleep(1)
    engine.kill()


def test_an_engine_killed_under_a_model_costs_no_attempt(bench, own_engine):
    submission = send(make_lesions(samples=0, cpus=1, memory_mib=128), archive_of(bench, SLOW))
    killer = threading.Thread(target=kill_once_it_predicts, args=(own_engine,))
    killer.start()
    evaluation = run(submission)
    killer.join()
    told = evaluation.failure_code, evaluation.staff_detail
    assert (evaluation.status, evaluation.attempt, evaluation.failed_attempts) == ("pending", 1, 0), told
    assert not actions.may_claim("containers", tasks.engine_probes)

    own_engine.start()
    assert hosts.check_this_host(tasks.engine_probes("containers"))
    engine = engine_host.connect()
    engine_host.reap_once(engine)
    assert own_engine.containers() == []
    Evaluation.objects.update(available_at=timezone.now())
    evaluation = run(submission)
    assert (evaluation.status, evaluation.attempt, evaluation.failed_attempts) == ("completed", 2, 0)
    assert [event.stage for event in evaluation.events.all()].count("scored") == 1
    assert engine_host.reap_once(engine) == []
    engine.close()
