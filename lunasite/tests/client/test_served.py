"""What the site hands to the client: the file, the runner, the trial of a phase, and nothing of the hidden cases."""

import ast
import hashlib
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from django.test import Client
from django.utils import timezone

import lunasite
from lunasite.client.driver_archive import folder, replace_file
from lunasite.client.made_up import made_up_cases
from lunasite.client.runner_zip import runner_zip
from lunasite.leftovers import delete_unfinished
from lunasite.tests.client.conftest import CLIENT
from submissions.kinds import KINDS
from submissions.runner.host.driver_image import driver_image
from submissions.tests.evaluated_images import make_lesions
from submissions.tests.factories import make_dataset, make_member, make_phase

LOAD = """
import os, sys
sys.path.insert(0, sys.argv[1])
sys.path.append(os.path.join(sys.argv[1], "stand_ins"))
from submissions.runner import home_run
print(sorted(home_run.CONTRACTS), sorted(home_run.KINDS), sys.modules["numpy"].__file__.startswith(sys.argv[1]))
"""


@pytest.fixture
def member(db):
    client = Client()
    client.force_login(make_member())
    return client


def test_the_site_serves_the_client_with_its_address(db, settings):
    settings.SITE_URL = "https://ct.example.org"
    answer = Client().get("/client/lunasite.py")
    assert answer["Content-Type"] == "text/x-python; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="lunasite.py"'
    assert b'SITE = "https://ct.example.org"' in answer.content
    compile(answer.content, "lunasite.py", "exec")
    again = Client().get("/client/lunasite.py", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_threads_that_write_the_same_file_at_once_do_not_meet(tmp_path):
    """The first trial of two participants at once, in one web process."""
    target, data = tmp_path / "driver.tar.gz", bytes(1 << 20)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: replace_file(target, data), range(80)))
    assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_began_to_write_is_removed(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    begun, whole = folder() / ".driver-1.tar.gz.0a1b", folder() / "driver-1.tar.gz"
    for path in (begun, whole):
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    assert delete_unfinished(timezone.now()) == 1
    assert list(folder().iterdir()) == [whole]


@pytest.mark.slow
def test_threads_that_draw_the_same_case_at_once_do_not_meet(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    case = made_up_cases(KINDS["lesion"])[0]
    with ThreadPoolExecutor(4) as pool:
        drawn = set(pool.map(lambda _: case.draw(), range(8)))
    assert len(drawn) == 1
    assert len(drawn.pop()) > 100_000


def test_the_phase_page_offers_the_client(db, settings):
    settings.SITE_URL = "https://ct.example.org"
    make_phase(slug="luna")
    page = Client().get("/phases/luna/").content.decode()
    assert "curl -O https://ct.example.org/client/lunasite.py" in page
    assert "python3 lunasite.py try luna my-model" in page


@pytest.mark.slow
def test_the_client_is_one_file_for_python_3_8():
    tree = ast.parse(CLIENT.read_text(), feature_version=(3, 8))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert f'__version__ = "{lunasite.__version__}"' in CLIENT.read_text()


def test_the_runner_needs_nothing_but_python(tmp_path):
    """-S leaves out site-packages: a machine with neither numpy nor docker-py."""
    path = tmp_path / "runner.zip"
    path.write_bytes(runner_zip()[0])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOAD, str(path)], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['batch', 'http'] [")
    assert done.stdout.endswith("True\n")


@pytest.mark.slow
def test_the_runner_is_what_was_announced_and_holds_no_engine_gateway(member):
    make_phase(slug="luna")
    trial = member.get("/api/v1/phases/luna/trial").json()
    zipped = Client().get(trial["runner"]["url"]).content
    assert hashlib.sha256(zipped).hexdigest() == trial["runner"]["sha256"]
    names = zipfile.ZipFile(BytesIO(zipped)).namelist()
    assert "submissions/runner/engine/docker.py" not in names
    assert not [name for name in names if "settings" in name or "models" in name or "tests" in name]


@pytest.mark.slow
def test_the_driver_is_the_workers_own(member):
    make_phase(slug="luna")
    driver = member.get("/api/v1/phases/luna/trial").json()["driver"]
    sent = b"".join(Client().get(driver["url"]).streaming_content)
    assert hashlib.sha256(sent).hexdigest() == driver["sha256"]
    assert driver["image_id"] == driver_image().image_id


@pytest.mark.slow
def test_sample_cases_are_handed_out_as_containers_get_them(member):
    phase = make_lesions(slug="luna")
    trial = member.get("/api/v1/phases/luna/trial").json()
    samples = phase.dataset.cases.filter(split="sample")
    assert [case["id"] for case in trial["cases"]] == [case.public_id for case in samples]
    assert not trial["is_made_up"]
    image = b"".join(member.get(trial["cases"][0]["image"]).streaming_content)
    assert image == b"ObjectType = Image\nElementDataFile = LOCAL\nvoxels"  # the patient's name is gone


@pytest.mark.slow
def test_nothing_of_a_scored_case_is_handed_out(member):
    phase = make_lesions(slug="luna")
    trial = member.get("/api/v1/phases/luna/trial").content.decode()
    for case in phase.dataset.scored_cases():
        assert f'"{case.public_id}"' not in trial
    # All cases here are of one image, which has the number 0.
    assert member.get("/api/v1/phases/luna/trial/images/1").status_code == 404


def test_only_who_is_signed_in_gets_cases_and_only_of_phases_they_see(member):
    make_phase(slug="luna")
    make_phase(slug="secret", is_hidden=True)
    make_phase(slug="tables", accepts_docker=False)
    assert Client().get("/api/v1/phases/luna/trial").status_code == 401
    assert Client().get("/api/v1/phases/luna/trial/images/1").status_code == 401
    for slug in ("secret", "tables"):
        assert member.get(f"/api/v1/phases/{slug}/trial").status_code == 404
        assert member.get(f"/api/v1/phases/{slug}/trial/images/1").status_code == 404


@pytest.mark.parametrize(("kind", "begin"), [("lesion", b"ObjectType"), ("slice", b"\x89PNG")])
@pytest.mark.slow
def test_a_phase_without_samples_gets_made_up_ones_of_its_kind(member, kind, begin):
    make_phase(make_dataset(kind=kind), slug="luna")
    trial = member.get("/api/v1/phases/luna/trial").json()
    assert trial["is_made_up"]
    for case in trial["cases"]:
        assert b"".join(member.get(case["image"]).streaming_content).startswith(begin)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("contract=carrier-pigeon", "VALIDATION_ERROR"),
        ("adapter={", "INVALID_ADAPTER"),
        ("adapter={%22port%22:0}", "INVALID_PORT"),
        ("model_endpoint=http://elsewhere/", "INVALID_ENDPOINT"),
    ],
)
def test_a_trial_is_refused_what_a_submission_would_be(member, query, code):
    make_phase(slug="luna")
    answer = member.get(f"/api/v1/phases/luna/trial?{query}")
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
