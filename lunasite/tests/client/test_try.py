"""A trial at home and an image submitted, on a real engine: the runner's own code, started by the client."""

import gzip
import subprocess
import tempfile
from pathlib import Path

import pytest

from lunasite.client.driver_archive import driver_archive
from submissions.models import Submission
from submissions.tests.conftest import bench, site_on_engine  # noqa: F401  the engine's fixtures
from submissions.tests.containers import HOSTILE, docker
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, make_lesions, run
from submissions.tests.factories import make_phase
from submissions.tests.image_archives import Member, tar

OK, REFUSED = 0, 1
pytestmark = pytest.mark.engine
ENDS = 'import sys\nprint("no weights here")\nsys.exit(3)\n'


@pytest.fixture
def image(bench, request):  # noqa: F811
    """Return a function that builds an image of a program at the engine and gives its name."""
    built = []

    def build(program):
        context = Path(tempfile.mkdtemp(dir=bench.folder))
        (context / "program.py").write_text(program)
        (context / "serving.py").write_text((HOSTILE / "serving.py").read_text())
        command = 'CMD ["/usr/bin/python3", "-S", "-u", "/model/program.py"]'
        bench.build("\n".join([f"FROM {bench.host.driver_image}", "COPY . /model", "ENTRYPOINT []", command]), context)
        built.append(bench.built[-1])
        return built[-1]

    yield build
    bench.drop(len(built))
    name = f"lunasite-driver:{driver_archive().sha256[:32]}"
    subprocess.run(["docker", "rmi", name], capture_output=True, check=False)


def left_at_home():
    names = docker("ps", "-a", "--format", "{{.Names}}").split() + docker("volume", "ls", "-q").split()
    return [name for name in names if name.startswith("lunasite-home-")]


def test_an_image_is_tried_on_the_sample_cases_as_the_site_does(lunasite, image):
    phase = make_lesions(slug="luna")
    name = image(SERVE.format(BY_COORDINATE))
    done = lunasite("try", "luna", name, "--json")
    assert done.code == OK, done.err
    answers = {
        case.public_id: [case.facts["point_xyz_mm"][0] / 100] for case in phase.dataset.cases.filter(split="sample")
    }
    assert done.json["answers"] == answers
    assert not done.json["is_made_up"]
    assert left_at_home() == []
    again = lunasite("try", "luna", name)
    assert "answered all 2 cases" in again.out


def test_without_sample_cases_it_is_tried_on_made_up_ones(lunasite, image):
    make_phase(slug="luna")
    done = lunasite("try", "luna", image(SERVE.format("0.25")), "--json")
    assert done.code == OK, done.err
    assert done.json["is_made_up"]
    assert list(done.json["answers"].values()) == [[0.25], [0.25]]


NEEDS_WEIGHTS = """
from serving import good, serve
weight = float(open("/opt/ml/model/weight.txt").read())
serve(lambda body, number: (200, good(body, weight)))
"""


def packed_weights(folder, name="./weight.txt"):
    path = folder / "weights.tar.gz"
    path.write_bytes(gzip.compress(tar([Member(name, b"0.5")])))
    return path


def test_weights_apart_from_the_image_are_tried_with_it(lunasite, image, tmp_path):
    make_lesions(slug="luna")
    name = image(NEEDS_WEIGHTS)
    done = lunasite("try", "luna", name, "--model-archive", packed_weights(tmp_path), "--json")
    assert done.code == OK, done.err
    assert list(done.json["answers"].values()) == [[0.5], [0.5]]
    bad = lunasite("try", "luna", name, "--model-archive", packed_weights(tmp_path, "../weight.txt"), "--json")
    assert (bad.code, bad.json["code"]) == (REFUSED, "MODEL_ARCHIVE")


def test_new_weights_are_submitted_with_an_image_sent_before(lunasite, image, site_on_engine, tmp_path):  # noqa: F811
    make_lesions(slug="luna")
    sent = lunasite("submit", "luna", "--image", image(NEEDS_WEIGHTS), "--json")
    assert sent.code == OK, sent.err
    assert run(Submission.objects.get()).failure_code == "CONTAINER_EXITED"
    told = lunasite("logs", sent.json["id"])
    assert "weight.txt" in told.out
    assert "FileNotFoundError" in told.out

    again = ("submit", "luna", "--again", sent.json["id"], "--model-archive", packed_weights(tmp_path), "--json")
    assert lunasite(*again).code == OK
    newest = Submission.objects.order_by("-created_at")[0]
    assert newest.model_archive.original_name == "weights.tar.gz"
    assert run(newest).status == "completed"


def test_what_to_change_is_told_after_a_failed_trial(lunasite, image, site_on_engine):  # noqa: F811
    make_lesions(slug="luna")
    sent = lunasite("submit", "luna", "--image", image("import monai"), "--json")
    run(Submission.objects.get())
    for command in ("logs", "watch"):
        told = lunasite(command, sent.json["id"])
        assert "add `RUN pip install monai`" in told.out, told.err
    assert "pip install monai" in lunasite("logs", sent.json["id"], "--json").json["trial"]["diagnosis"]


def test_a_failure_has_the_code_sentence_and_log_of_the_site(lunasite, image):
    make_lesions(slug="luna")
    done = lunasite("try", "luna", image(ENDS), "--json")
    assert done.code == REFUSED, done.err
    assert (done.json["code"], done.json["stage"]) == ("CONTAINER_EXITED", "run")
    assert "exit code 3 while starting" in done.json["note"]
    assert "no weights here" in done.json["log"]
    assert left_at_home() == []


def test_the_batch_contract_is_tried_too(lunasite, image):
    make_lesions(slug="luna")
    program = (HOSTILE / "batch_outputs" / "program.py").read_text()
    name = image("import sys\nsys.argv = ['', 'right_spelling']\n" + program)
    done = lunasite("try", "luna", name, "--contract", "batch", "--json")
    assert done.code == OK, done.err
    assert list(done.json["answers"].values()) == [[0.25], [0.25]]
    name = image("import sys\nsys.argv = ['', 'symlink']\n" + program)
    assert lunasite("try", "luna", name, "--contract", "batch", "--json").json["code"] == "OUTPUT_NOT_REGULAR"
    assert left_at_home() == []


@pytest.mark.usefixtures("site_on_engine")
def test_an_image_of_the_engine_is_saved_submitted_and_watched(lunasite, image, tmp_path):
    make_lesions(slug="luna")
    sent = lunasite("submit", "luna", "--image", image(SERVE.format(BY_COORDINATE)), "--json")
    assert sent.code == OK, sent.err
    submission = Submission.objects.get()
    assert run(submission).status == "completed"
    watched = lunasite("watch", submission.pk)
    assert watched.code == OK, watched.err
    assert "auc" in watched.out
    assert list((tmp_path / "cache" / "lunasite" / "images").iterdir()) == []
