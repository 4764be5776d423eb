"""Images that cannot work here: their trial says in one sentence what to change.

`test_through_the_site.py` reads the sentence of each failure on its page; here is what only the run itself shows.
"""

import json
from dataclasses import replace

import pytest

from submissions.runner.base import RunCallbacks, RunError
from submissions.tests.containers import HOSTILE
from submissions.tests.foreign_images.failing import ANSWERING
from submissions.tests.foreign_images.test_habits import BASE, LIMITS, build

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def base(bench):
    bench.build(BASE, HOSTILE)
    return bench.built[-1]


def diagnosis_of(bench, image_id, **changes):
    changes = {"limits": LIMITS, "stage": "smoke"} | changes
    code, outcome, _ = bench.verdict(bench.request(image_id, **changes))
    bench.drop()
    assert bench.left_behind() == []
    assert code, "it answered"
    return outcome


def test_the_port_that_listens_is_told_at_once(base, bench):
    image_id = build(bench, base, "from serving import serve\nserve(port=5000)")
    hints = []
    request = bench.request(image_id, limits=replace(LIMITS, startup_s=8), stage="smoke")
    with pytest.raises(RunError) as caught:
        bench.run(request, RunCallbacks(hint=hints.append))
    bench.drop()
    assert caught.value.code == "NOT_READY"
    assert hints[0] == caught.value.diagnosis
    assert "Port 8000 was called, but the program listens on 5000" in hints[0]


def test_full_shared_memory_is_named(base, bench):
    program = """
import mmap, os
file = open("/dev/shm/batch", "wb+")
os.truncate(file.fileno(), 64 << 20)
memory = mmap.mmap(file.fileno(), 64 << 20)
for at in range(0, 64 << 20, 4096):
    memory[at] = 1
"""
    outcome = diagnosis_of(bench, build(bench, base, program), limits=replace(LIMITS, shm_mib=16))
    assert "/dev/shm (16 MiB" in outcome.diagnosis
    assert "num_workers=0" in outcome.diagnosis


HOLDS_MUCH = "RUN dd if=/dev/zero of=/opt/app/weights bs=1M count=40"


def test_a_folder_that_holds_too_much_is_told(base, bench):
    image_id = build(bench, base, 'open("/opt/app/log", "w")', HOLDS_MUCH)
    limits, notes = replace(LIMITS, root_mib=40), []
    with pytest.raises(RunError) as caught:
        bench.run(bench.request(image_id, limits=limits, stage="smoke"), RunCallbacks(note=notes.append))
    diagnosis = caught.value.diagnosis
    assert "writes to /opt/app/log, but /opt/app is read-only" in diagnosis, caught.value.logs
    assert "more than the 30 MiB" in diagnosis
    assert 'writable_folders=["/opt/app/state"]' in diagnosis
    assert [note for note in notes if note.startswith("Read-only") and "/opt/app" in note] == notes != []
    bench.drop()

    cured = build(bench, base, 'open("/opt/app/state/log", "w")', HOLDS_MUCH)
    result = bench.run(
        bench.request(cured, limits=limits, stage="smoke", writable_folders=("/opt/app/state",)), RunCallbacks()
    )
    bench.drop()
    assert len(result.answers) == 4


def test_the_log_is_live_while_the_trial_runs(base, bench):
    program = "import time\nprint('loading', flush=True)\ntime.sleep(4)"
    seen = []
    bench.run(bench.request(build(bench, base, program), limits=LIMITS, stage="smoke"), RunCallbacks(log=seen.append))
    bench.drop()
    assert "loading\n" in seen


def test_nothing_of_this_on_hidden_cases(base, bench):
    image_id = build(bench, base, ANSWERING.format(status=422, answer=b'{"loc":["body","image"]} hidden voxels'))
    seen = []
    with pytest.raises(RunError) as caught:
        bench.run(bench.request(image_id, limits=LIMITS), RunCallbacks(log=seen.append, hint=seen.append))
    bench.drop()
    error = caught.value
    assert (error.status, error.answer, error.diagnosis, seen) == (0, "", "", [])
    assert "422" not in json.dumps([error.note, str(error)])
