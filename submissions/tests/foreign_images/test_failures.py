"""Images that cannot work here: their trial says in one sentence what to change."""

import json
from dataclasses import replace

import pytest

from submissions.runner.base import RunCallbacks, RunError
from submissions.tests.containers import HOSTILE
from submissions.tests.foreign_images.test_habits import BASE, LIMITS, build

pytestmark = pytest.mark.engine
CRLF = "RUN printf '#!/bin/sh\\r\\nexec python3 /opt/app/app.py\\r\\n' > /start.sh && chmod +x /start.sh"
NVIDIA = (
    "RUN printf '#!/bin/sh\\nset -e\\nnvidia-smi\\nexec python3 /opt/app/app.py\\n' > /start.sh && chmod +x /start.sh"
)
SECRET_WEIGHTS = "RUN mkdir /models && echo w > /models/w.bin && chmod 600 /models/w.bin"
NO_DRIVER = 'raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU")'


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


@pytest.mark.parametrize(
    ("program", "lines", "words"),
    [
        (NO_DRIVER, (), ("asks for a GPU", "torch.cuda.is_available()", 'map_location="cpu"')),
        ("import monai", (), ("`monai` is not in the image", "pip install monai")),
        (
            'import ctypes\nctypes.CDLL("libGL.so.1")',
            (),
            ("libGL.so.1 is not in the image", "apt-get install -y libgl1"),
        ),
        ('open("/models/w.bin")', (SECRET_WEIGHTS,), ("/models/w.bin", "chmod -R a+rX /models")),
        ('open("/data.bin", "w")', (), ("writes to /data.bin, which is read-only", "writable folder")),
        ("", (CRLF, 'ENTRYPOINT ["/start.sh"]'), ("/start.sh has Windows line ends", "sed -i 's/\\r$//' /start.sh")),
        ("", (NVIDIA, 'ENTRYPOINT ["/start.sh"]'), ("nvidia-smi || true", "gives none")),
        (
            'import urllib.request\nurllib.request.urlopen("https://huggingface.co/weights")',
            (),
            ("there is no network", "download it in the Dockerfile"),
        ),
        ("bytearray(2000 << 20)[::4096]", (), ("more than the 1024 MiB", "highest seen")),
    ],
    ids=["cuda", "module", "library", "mode_600", "read_only", "crlf", "nvidia_smi", "download", "memory"],
)
def test_a_failure_is_explained_with_its_remedy(program, lines, words, base, bench):
    outcome = diagnosis_of(bench, build(bench, base, program, *lines))
    for word in words:
        assert word in outcome.diagnosis, (outcome.note, outcome.logs[-500:])


def test_a_program_for_another_libc_names_its_loader(base, bench):
    copy = (
        "RUN python3 -c \"d=open('/bin/true','rb').read();"
        "open('/server','wb').write(d.replace(b'/lib64/ld-linux-x86-64.so.2',b'/lib/ld-musl-x86_64.so.1'+bytes(3)))\""
        " && chmod +x /server"
    )
    outcome = diagnosis_of(bench, build(bench, base, "", copy, 'ENTRYPOINT ["/server"]'))
    assert "/server needs a loader" in outcome.diagnosis, outcome.logs


ANSWERING = "from serving import serve\nserve(lambda body, number: ({status}, {answer!r}))"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (401, b'{"detail":"Not authenticated"}', "bearer_token"),
        (404, b'{"detail":"Not Found"}', "nothing for POST at /api/v1/predict/lesion"),
        (422, b'{"detail":[{"loc":["body","image"],"msg":"field required"}]}', "`file_field` = `image`"),
        (422, b'{"detail":[{"loc":["body","CoordX"],"msg":"field required"}]}', '{"field_names": "csv"}'),
        (422, b'{"detail":[{"type":"extra_forbidden","loc":["body","gender"]}]}', '{"omit": ["gender"]}'),
        (200, b'{"p": 0.5}', "probability_path"),
    ],
)
def test_an_answer_is_shown_and_explained(status, answer, words, base, bench):
    image_id = build(bench, base, ANSWERING.format(status=status, answer=answer))
    outcome = diagnosis_of(bench, image_id)
    assert (outcome.status, outcome.answer) == (status, answer.decode())
    assert words in outcome.diagnosis


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
