"""Evaluations as jobs of a real Slurm cluster: verdicts, the sandbox, what is taken away, a node that is lost."""

import contextlib
import dataclasses
import shutil
import threading
import time

import pytest

from submissions.runner.base import AttemptTaken, EngineFault, RunCallbacks, RunCancelled
from submissions.runner.cluster.job_folder import JobFolder
from submissions.runner.cluster.slurm import SlurmEngine
from submissions.runner.cluster.slurm_commands import ENDED, GONE, Needs
from submissions.runner.host.reaper import reap
from submissions.tests.containers import HOSTILE, SLURM, TEST_LIMITS, node_two, slurm_place

pytestmark = [
    pytest.mark.engine,  # which builds the images
    pytest.mark.slurm,
    pytest.mark.parametrize("bench", [SLURM], indirect=True, scope="module"),
]
SERVE = "from serving import serve, good\nserve(lambda body, number: (200, good(body, 0.25)))\n"
BATCH = """
import json
given = json.load(open("/input/nodule-locations.json"))
for point in given["points"]:
    point["probability"] = 0.25
json.dump(given, open("/output/lung-nodule-malginancy-likelihoods.json", "w"))
"""
SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(3600)\n"


def build(bench, program, *lines):
    context = bench.folder / f"context-{len(bench.built)}"
    context.mkdir(exist_ok=True)
    (context / "program.py").write_text(program)
    (context / "serving.py").write_text((HOSTILE / "serving.py").read_text())
    command = 'CMD ["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
    text = "\n".join([f"FROM {bench.docker_driver}", "COPY . /model", *lines, "ENTRYPOINT []", command])
    return bench.build(text, context)


@pytest.fixture(scope="module")
def serving(bench):
    return build(bench, SERVE)


@pytest.fixture(scope="module")
def sleeping(bench):
    return build(bench, SLEEP)


def states(bench):
    return {name: state for _, name, state in bench.engine.slurm.jobs() if bench.instance in name}


def wait_for(look, seconds=60):
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if found := look():
            return found
        time.sleep(0.2)
    pytest.fail("it did not come about in time")


def test_the_sandbox_is_proven_by_a_job_on_each_partition(bench):
    with node_two():
        checks = SlurmEngine(slurm_place("one", "two")).self_test(bench.host, bench.folder)
    assert [check for check in checks if check.is_fatal and not check.ok] == []
    proven = {check.name.partition(": ")[2] for check in checks}
    assert {"network", "memory of the job", "processes", "user of the job", "writable root"} <= proven
    assert {check.name.partition("/")[0] for check in checks} == {"one", "two"}
    assert bench.left_behind() == []


def test_a_service_and_a_batch_are_answered(bench, serving):
    seen = []
    watcher = RunCallbacks(answered=lambda case, answer, seconds: seen.append(case), stage=seen.append)
    result = bench.run(bench.request(serving), watcher)
    assert set(result.answers.values()) == {(0.25,)}
    assert "predicting" in seen
    assert {"hidden-0", "hidden-1", "hidden-2", "hidden-3"} <= set(seen)
    assert result.peak_memory_bytes > 1 << 20

    result = bench.run(bench.request(build(bench, BATCH), contract="batch"))
    assert set(result.answers.values()) == {(0.25,)}
    bench.drop()
    assert bench.left_behind() == []


def test_a_trial_shows_its_log_and_a_diagnosis(bench):
    image_id = build(bench, "print('my own words')\nimport no_such_module\n")
    code, error, _ = bench.verdict(bench.request(image_id, stage="smoke"))
    assert code == "CONTAINER_EXITED"
    assert "exit code 1" in error.note
    assert "0 of 4 cases" in error.note
    assert "my own words" in error.logs
    assert "no_such_module" in error.diagnosis
    bench.drop()


def test_a_job_is_known_as_soon_as_it_is_sent(bench):
    slurm = bench.engine.slurm
    folder = slurm.place.store / "jobs" / f"luna-{bench.instance}-new"
    folder.mkdir()
    slurm.own(folder)
    assert slurm.state("0") == GONE  # the look that is older than the job
    job_id = slurm.submit(folder.name, folder, folder, Needs(64, 1, 60))
    try:
        assert slurm.state(job_id) != GONE
    finally:
        slurm.cancel(folder.name)
        wait_for(lambda: slurm.state(job_id) in ENDED)
        shutil.rmtree(folder)


def test_a_cancel_ends_the_job(bench, sleeping):
    began = threading.Event()

    def is_cancelled():
        if "RUNNING" in states(bench).values():
            began.set()
        return began.is_set()

    with pytest.raises(RunCancelled):
        bench.run(bench.request(sleeping), RunCallbacks(is_cancelled=is_cancelled))
    assert set(states(bench).values()) <= ENDED
    assert bench.left_behind() == []


def test_a_job_that_slurm_takes_away_goes_on_in_another(bench):
    slow = SERVE.replace("(200,", "(time.sleep(1) or 200,")
    image_id = build(bench, f"import time\n{slow}")
    answered, taken = [], []

    def take_away():
        running = [
            key for key, name, state in bench.engine.slurm.jobs() if bench.instance in name and state == "RUNNING"
        ]
        if running and answered and not taken:
            taken.extend(running)
            bench.engine.slurm._call("scancel", running[0])
        return False

    watcher = RunCallbacks(answered=lambda case, answer, seconds: answered.append(case), is_cancelled=take_away)
    result = bench.run(bench.request(image_id, cases=bench.cases(8)), watcher)
    assert len(taken) == 1
    assert set(result.answers.values()) == {(0.25,)}
    assert sorted(answered) == sorted(result.answers)  # none was asked for twice
    bench.drop()


def test_a_name_that_is_taken_means_another_worker_runs_this_attempt(bench, sleeping):
    request = bench.request(sleeping)
    name = f"luna-{bench.instance}-{request.evaluation}-1-run"
    taken = JobFolder(bench.engine.slurm, name)
    taken.folder.mkdir()
    with pytest.raises(AttemptTaken):
        bench.run(request)
    taken.close()


def test_what_a_lost_worker_left_is_cancelled_by_its_name(bench, sleeping):
    request = bench.request(sleeping)
    stop = threading.Event()

    def lose_the_worker():
        with contextlib.suppress(RunCancelled, EngineFault):
            bench.run(request, RunCallbacks(is_cancelled=stop.is_set))

    thread = threading.Thread(target=lose_the_worker)
    thread.start()
    wait_for(lambda: "RUNNING" in states(bench).values())
    ours = reap(bench.engine, "luna", bench.instance, is_live=lambda evaluation, attempt: True, now=time.time())
    assert ours == []
    removed = reap(bench.engine, "luna", bench.instance, is_live=lambda evaluation, attempt: False, now=time.time())
    assert removed == [f"luna-{bench.instance}-{request.evaluation}-1-run"]
    wait_for(lambda: set(states(bench).values()) <= ENDED | {GONE})
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_gpu_is_refused_with_a_sentence(bench, serving):
    with pytest.raises(EngineFault, match="gives no GPU"):
        bench.run(bench.request(serving, limits=dataclasses.replace(TEST_LIMITS, gpu=True)))


def test_what_may_not_run_is_refused_with_its_sentence(bench):
    with pytest.raises(EngineFault, match="no such partition") as caught:
        SlurmEngine(slurm_place("one", "nowhere")).facts()
    assert caught.value.staff_detail == "nowhere"
    as_root = dataclasses.replace(slurm_place(), job_user="")
    assert "SLURM_JOB_USER" in SlurmEngine(as_root).facts().refusal
    assert bench.engine.facts().refusal == ""
