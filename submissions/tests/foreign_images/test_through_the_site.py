"""Every foreign image through the site: sent as people do, evaluated by the worker's own code, read on its page."""

import gc
import gzip
import html
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from submissions.models import Submission
from submissions.tests.containers import HOSTILE
from submissions.tests.evaluated_images import make_lesions, run
from submissions.tests.factories import make_member
from submissions.tests.foreign_images.failing import ANSWERING, ANSWERS, FAILURES
from submissions.tests.foreign_images.test_grand_challenge import algorithm
from submissions.tests.foreign_images.test_habits import (
    AS_ROOT,
    AS_USER,
    BASE,
    HABITS,
    MAKE_USER,
    USER_SITE,
    baked,
    build,
)
from submissions.tests.image_archives import Member, tar
from submissions.tests.small_python import on_small_python

pytestmark = [
    pytest.mark.engine,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("site_on_engine"),
]
FULL_SHARED_MEMORY = """
import mmap, os
file = open("/dev/shm/batch", "wb+")
os.truncate(file.fileno(), 160 << 20)
memory = mmap.mmap(file.fileno(), 160 << 20)
for at in range(0, 160 << 20, 4096):
    memory[at] = 1
"""
WEIGHTS = gzip.compress(tar([Member("weights.txt", b"0.75")]))


@dataclass(frozen=True)
class Foreign:
    """An image, the phase it is sent to, what comes with it, and the words its participant reads; none if it works."""

    program: str
    lines: tuple = ()
    user: tuple = AS_ROOT
    words: tuple = ()
    phase: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    weights: bytes = b""
    by_form: bool = False

    @property
    def ways(self) -> tuple:
        """Form and API differ in how they read fields; the image they store, and run, is the same."""
        return ("api", "form") if self.fields or self.by_form else ("api",)


def on_the_site(program: str) -> str:
    """Return the algorithm for the scans of `make_lesions`, which begin as a MetaImage does."""
    return program.replace('startswith(b"voxels")', 'startswith(b"ObjectType")')


WORKING = {
    **{f"{name}_user": Foreign(program, user=AS_USER) for name, program in HABITS.items()},
    **{f"{name}_root": Foreign(program) for name, program in HABITS.items()},
    "home_of_user": Foreign(USER_SITE, (MAKE_USER, *baked("/home/user", "user:user")), ("USER user",)),
    "home_of_root": Foreign(USER_SITE, baked("/root", "root:root"), by_form=True),
    "named_folder": Foreign('open("/data/x", "w")', fields={"writable_folders": "/data"}),
    "algorithm_user": Foreign(on_the_site(algorithm()), user=AS_USER, fields={"contract": "batch"}, weights=WEIGHTS),
    "algorithm_root": Foreign(on_the_site(algorithm()), fields={"contract": "batch"}, weights=WEIGHTS),
    "algorithm_slugs": Foreign(
        on_the_site(algorithm("thorax-ct", "my-output")), fields={"contract": "batch"}, weights=WEIGHTS,
        phase={"batch_slugs": {"image": "thorax-ct", "points": "my-locations", "output": "my-output"}},
    ),
}  # fmt: skip
FAILING = {
    **{name: Foreign(program, lines, words=words) for name, (program, lines, words) in FAILURES.items()},
    **{
        f"answer_{number}": Foreign(ANSWERING.format(status=status, answer=answer), words=(answer.decode(), words))
        for number, (status, answer, words) in enumerate(ANSWERS)
    },
    "other_port": Foreign(
        "from serving import serve\nserve(port=5000)", phase={"startup_s": 6},
        words=("Port 8000 was called, but the program listens on 5000",), by_form=True,
    ),
    "shared_memory": Foreign(
        FULL_SHARED_MEMORY, phase={"memory_mib": 256}, words=("/dev/shm (128 MiB", "num_workers=0"),
    ),
    "no_output": Foreign(
        on_the_site(algorithm(output="other")), fields={"contract": "batch"}, weights=WEIGHTS,
        words=("read from /output/lung-nodule-malginancy-likelihoods.json", "wrote /output/other.json"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def base(bench):
    bench.build(on_small_python(BASE), HOSTILE)
    return bench.built[-1]


@pytest.fixture(autouse=True)
def freed():
    """The test client's answers hold the bodies that were sent, 200 MB each, in cycles."""
    yield
    gc.collect()


def saved(bench, base, image: Foreign, folder: Path) -> Path:
    """Return what `docker save` writes of an image, which the engine no longer has."""
    build(bench, base, image.program, *image.lines, user=image.user)
    path = folder / "model.tar"
    subprocess.run(["docker", "save", "-o", str(path), bench.built[-1]], check=True, timeout=120)
    bench.drop()
    return path


def evaluated(way: str, path: Path, image: Foreign):
    """Send an image to a phase of its own; return its evaluation and the text of its participant's page."""
    # 512 MB of shared memory are half of what it has.
    limits = {"memory_mib": 2048 if "SharedMemory" in image.program else 1024, "cpus": 1, "startup_s": 20}
    phase = make_lesions(samples=2, **limits | image.phase)
    client = Client()
    client.force_login(make_member())
    address = "/api/v1/submissions/docker" if way == "api" else reverse("submit_docker", args=[phase.slug])
    fields = {"phase": phase.slug, "contract": "http", **image.fields}
    if image.weights:
        fields["model_archive"] = SimpleUploadedFile("model.tar.gz", image.weights)
    with path.open("rb") as file:
        answer = client.post(address, fields | {"file": File(file, "model.tar")})
    assert answer.status_code == (201 if way == "api" else 302), answer.content
    submission = Submission.objects.get(phase=phase)
    evaluation = run(submission)
    page = client.get(f"/submissions/{submission.pk}/").content.decode()
    return evaluation, html.unescape(page.replace("<code>", "`").replace("</code>", "`"))


@pytest.mark.parametrize("image", WORKING.values(), ids=WORKING)
def test_an_image_is_scored_without_a_change(image, base, bench, tmp_path):
    path = saved(bench, base, image, tmp_path)
    for way in image.ways:
        evaluation, page = evaluated(way, path, image)
        told = (evaluation.failure_code, evaluation.failure_note, evaluation.trial, evaluation.smoke_log[-500:])
        assert evaluation.status == "completed", (way, *told)
        assert evaluation.answered == 10
        assert "auc" in evaluation.scores["public"]
        assert "What to change" not in page
    assert bench.left_behind() == []


@pytest.mark.parametrize("image", FAILING.values(), ids=FAILING)
def test_a_failing_image_is_told_what_to_change_at_no_cost(image, base, bench, tmp_path):
    path = saved(bench, base, image, tmp_path)
    for way in image.ways:
        evaluation, page = evaluated(way, path, image)
        assert (evaluation.status, evaluation.failure_stage) == ("failed", "smoke"), (way, evaluation.failure_note)
        assert evaluation.failure_sentence in page
        for words in image.words:
            assert words in page, (way, evaluation.trial, evaluation.failure_note)
        assert "the try was given back" in page
        assert not Submission.objects.get(pk=evaluation.submission_id).try_counts
    assert bench.left_behind() == []
