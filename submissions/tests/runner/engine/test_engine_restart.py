"""An engine that stops or restarts takes the model and our own container along: never the participant's fault."""

import subprocess
import threading
import time

import pytest

from submissions.outages import probes
from submissions.runner.base import EngineRestarted, RunCallbacks
from submissions.tests.containers import on_each_engine
from submissions.worker import engine_host

pytestmark = pytest.mark.engine
SLEEPS = ["python3", "-c", "import time; time.sleep(60)"]


def end_all_once_there(bench, count):
    """End this bench's running containers as a stopping engine does: all at once, asking first."""
    command = ["docker", "--host", bench.address, "ps", "-q", "--filter", f"label=luna.instance={bench.instance}"]
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        running = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        if len(running) >= count:
            bench.docker("stop", "--time", "1", *running)
            return
        time.sleep(0.2)


@on_each_engine
@pytest.mark.parametrize(("contract", "containers"), [("http", 3), ("batch", 2)])
def test_a_run_whose_containers_the_engine_ended_is_ours_to_repeat(bench, contract, containers):
    image_id = bench.build(f"FROM python:3.11-slim\nCMD {SLEEPS}\n".replace("'", '"'))
    ending = threading.Thread(target=end_all_once_there, args=(bench, containers))
    ending.start()
    with pytest.raises(EngineRestarted):
        bench.run(bench.request(image_id, contract=contract, cases=bench.cases(2)), RunCallbacks())
    ending.join()
    bench.drop()
    assert bench.left_behind() == []


def test_an_engine_with_a_full_disk_takes_its_host_out(bench, settings, monkeypatch):
    settings.DOCKER_HOST = bench.address
    assert engine_host.engine_problem() == ""
    monkeypatch.setattr(probes, "MIN_FREE_BYTES", 1 << 60)
    assert "engine's disk has only" in engine_host.engine_problem()
    settings.DOCKER_HOST = "unix:///nowhere/docker.sock"
    assert "does not answer" in engine_host.engine_problem()
