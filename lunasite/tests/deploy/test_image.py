"""The site's image, built by the Dockerfile and started as docker-compose.yml says: setup, web, workers, backup."""

import json
import re
import secrets
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from inference.ct.phantom import make_phantom
from inference.ct.writing import write_mha
from submissions.tests.containers import open_to_all

from .built_images import docker, images_built
from .compose_file import ROOT
from .composed_site import UID, WORKERS, Composed, database_made, page, site_composed

pytestmark = [pytest.mark.image, pytest.mark.engine, pytest.mark.postgres, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def images():
    with images_built() as tags:
        yield tags


@pytest.fixture(scope="module")
def database():
    with database_made() as made:
        yield made


@pytest.fixture(scope="module")
def composed(images, database, tmp_path_factory):
    with site_composed(images, database, tmp_path_factory.mktemp("compose")) as services:
        yield services


def test_web_serves_a_page_and_its_style_as_another_user_than_root(composed):
    home = page(composed, "/")
    assert "</html>" in home
    assert composed.inside("web", "id", "-u").strip() == str(UID)
    style = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', home)
    assert style is not None, home
    assert "{" in page(composed, style[1])


def test_the_image_s_own_health_check_holds(composed, images):
    page(composed, "/health")
    check = docker("image", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", images["web"])
    kind, *command = json.loads(check)
    assert kind == "CMD"
    # Docker calls a container unhealthy at the third failure in a row.
    for failure in range(3):
        if "Traceback" not in composed.inside("web", *command, check=failure == 2):
            return


def test_everything_stays_up_and_reports(composed):
    deadline = time.monotonic() + 180
    with psycopg.connect(composed.database[1], autocommit=True) as database:
        while database.execute("SELECT count(DISTINCT cluster) FROM submissions_worker").fetchone()[0] < 3:
            assert time.monotonic() < deadline, composed.response("worker-evaluations")
            time.sleep(0.5)
    for name in ("web", *WORKERS, "seaweedfs"):
        assert composed.is_running(name), composed.response(name)
    # Compose has no mail server until one is set, and says so.
    while any(
        word in (ready := page(composed, "/ready")).replace("mail: WARNING", "") for word in ("FAILED", "WARNING")
    ):
        assert time.monotonic() < deadline, f"{ready}{composed.response('web')}{composed.response('worker-containers')}"
        time.sleep(2)


def test_the_doctor_finds_nothing_broken(composed):
    """The two commands of docs/deployment.md that look at a new site."""
    for name, which in (("web", "--no-engine"), ("worker-containers", "--engine")):
        told = composed.inside(name, "python", "manage.py", "doctor", which, check=False)
        assert "FAIL" not in told, told
        assert "ok " in told, told


def test_web_and_workers_may_write_rows_but_change_no_table(composed):
    run_sql = "from django.db import connection as c; c.cursor().execute('{}')"
    composed.inside(
        "web", "python", "manage.py", "shell", "-c", run_sql.format("SELECT count(*) FROM submissions_team")
    )
    refused = composed.inside(
        "web", "python", "manage.py", "shell", "-c", run_sql.format("DROP TABLE submissions_team"), check=False
    )
    assert "must be owner of table" in refused


def test_only_the_worker_that_imports_datasets_may_write_the_hidden_data(composed):
    write = (
        "from django.core.files.storage import storages as s; from django.core.files.base import ContentFile as C; "
        "s['datasets'].save('x', C(b'x'))"
    )
    shell = ("python", "manage.py", "shell", "-c", write)
    for name in ("worker-containers", "worker-evaluations"):
        assert "AccessDenied" in composed.inside(name, *shell, check=False)
    assert "AccessDenied" not in composed.inside("worker-errands", *shell)


def test_a_worker_s_health_check_holds(composed):
    for name in WORKERS:
        kind, check = composed.file["services"][name]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        composed.inside(name, "sh", "-c", check.replace("$$", "$"))


def test_nothing_but_the_volumes_can_be_written(composed):
    for name in ("web", *WORKERS):
        assert "Read-only file system" in composed.inside(name, "touch", "/app/x", check=False)
        assert composed.inside(name, "sh", "-c", "grep CapEff /proc/self/status").split()[1].strip("0") == ""


def test_a_csv_and_an_image_reach_the_board(composed):
    """The way of a newcomer: an organiser's dataset and phase, a participant's token, two submissions, the board."""
    draw_dataset(composed.incoming)
    open_to_all(composed.incoming)
    manage = ("python", "manage.py")
    imported = ("import_dataset", "--kind", "lesion", "--name", "phantoms", "--truth", "/incoming/truth.csv",
                "--images", "/incoming", "--split-column", "split")  # fmt: skip
    composed.inside("web", *manage, *imported)
    composed.inside("web", *manage, "open_phase", "--dataset", "phantoms", "--slug", "phantoms", "--title", "Phantoms")
    token = composed.inside("web", *manage, "create_token", "ada", "--create").split()[-1]
    make_team = (
        "from django.contrib.auth.models import User; from submissions.teams.membership import create_team; "
        "create_team(user=User.objects.get(username='ada'), name='Team Ada')"
    )
    composed.inside("web", *manage, "shell", "-c", make_team)
    save_example(composed.incoming / "model.tar.gz")
    open_to_all(composed.incoming)
    csv_id = post(composed, token, "/api/v1/submissions", "/incoming/predictions.csv")
    image_id = post(composed, token, "/api/v1/submissions/docker", "/incoming/model.tar.gz")
    for submission in (csv_id, image_id):
        wait_until_scored(composed, token, submission)
    board = json.loads(page(composed, "/api/v1/leaderboard?phase=phantoms"))
    assert [row["team"] for row in board["rows"]] == ["Team Ada"]


def draw_dataset(folder: Path) -> None:
    """Write eight phantom chests, their truth and a CSV of predictions."""
    truth, predictions = ["PatientID,SeriesInstanceUID,LesionID,CoordX,CoordY,CoordZ,label,split"], ["id,probability"]
    for number in range(8):
        phantom = make_phantom(number, labels=(True, False), shape_zyx=(24, 64, 64), spacing_xyz_mm=(5.0, 5.0, 6.0))
        write_mha(phantom.volume, folder / f"s.{number}.mha")
        split = "sample" if number < 2 else "public"
        for lesion, nodule in enumerate(phantom.nodules, start=1):
            point = ",".join(f"{value:.3f}" for value in nodule.point_xyz_mm)
            truth.append(f"P{number},s.{number},{lesion},{point},{int(nodule.is_malignant)},{split}")
            if split == "public":
                predictions.append(f"s.{number}_{lesion},{0.9 if nodule.is_malignant else 0.2}")
    (folder / "truth.csv").write_text("\n".join(truth) + "\n")
    (folder / "predictions.csv").write_text("\n".join(predictions) + "\n")


def save_example(path: Path) -> None:
    """Build examples/http-baseline as its README says, and save it."""
    tag = f"lunasite-example:{secrets.token_hex(4)}"
    docker("build", "--force-rm", "--tag", tag, "--file", str(ROOT / "examples/http-baseline/Dockerfile"),
           str(ROOT / "examples"))  # fmt: skip
    with path.open("wb") as file:
        saved = subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-1"], stdin=saved.stdout, stdout=file, check=True)
        assert saved.wait() == 0
    docker("image", "rm", "--force", tag)


def post(services: Composed, token: str, path: str, file: str) -> str:
    """Send a file to the API from inside the web container; return the submission's id."""
    program = "\n".join([
        "import sys, requests",
        "path, token, file = sys.argv[1:]",
        "r = requests.post('http://127.0.0.1:8000' + path, headers={'Authorization': 'Bearer ' + token},",
        "                  data={'phase': 'phantoms'}, files={'file': open(file, 'rb')})",
        "print(r.text)",
    ])  # fmt: skip
    response = services.inside("web", "python", "-c", program, path, token, file)
    answer = json.loads(response.splitlines()[-1])
    assert "id" in answer, f"{response}{services.response('web')}{services.response('seaweedfs')}"
    return str(answer["id"])


def wait_until_scored(services: Composed, token: str, submission: str) -> None:
    program = "\n".join([
        "import sys, requests",
        "address = 'http://127.0.0.1:8000/api/v1/submissions/' + sys.argv[2]",
        "r = requests.get(address, headers={'Authorization': 'Bearer ' + sys.argv[1]})",
        "print(r.text)",
    ])  # fmt: skip
    deadline = time.monotonic() + 300
    while True:
        state = json.loads(services.inside("web", "python", "-c", program, token, submission))
        if state["evaluation_status"] == "completed":
            return
        words = f"{state}\n{services.response('worker-evaluations')}{services.response('worker-containers')}"
        assert state["evaluation_status"] in ("pending", "running"), words
        assert time.monotonic() < deadline, words
        time.sleep(2)


def test_the_backup_service_saves_both_stores_and_the_database(composed):
    """Run after the submissions above: it names their files, and each of them must be in it."""
    composed.start("backup")

    def verified() -> str:
        return composed.inside("backup", "python", "manage.py", "backup", "verify", "/backup", check=False)

    deadline = time.monotonic() + 180
    while not (found := re.search(r"(\d+) keys that the database names present", told := verified())):
        assert composed.is_running("backup"), composed.response("backup")
        assert time.monotonic() < deadline, told + composed.response("backup")
        time.sleep(2)
    assert int(found[1]) >= 10, "eight scans, the CSV, the image"
    stored = composed.inside("backup", "find", "/backup", "-name", "keys.json")
    assert stored.strip() == "", "compose's secrets are no part of its backups"


def test_the_model_server_answers(composed):
    composed.start("model-server")
    deadline = time.monotonic() + 180
    program = "import socket; socket.create_connection(('127.0.0.1', 8500), timeout=2)"
    while "Error" in composed.inside("model-server", "python", "-c", program, check=False):
        assert time.monotonic() < deadline, composed.response("model-server")
        time.sleep(1)


@pytest.mark.parametrize("target", ["web", "worker", "model-server"])
def test_each_image_holds_what_runs_and_nothing_else(images, target):
    def told(*command: str) -> str:
        return docker("run", "--rm", "--network", "none", images[target], *command).strip()

    hidden = ["find", "/app", "/opt/packages", "(", "!", "-readable", "-o", "-type", "d", "!", "-executable", ")"]
    assert (told("id", "-u"), told("id", "-g")) == (str(UID), str(UID))
    assert told(*hidden) == ""
    assert told("find", "/app", "-name", "tests", "-o", "-name", "docs", "-o", "-name", "benchmarks") == ""
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", images[target]))
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("target", ["code", "web", "worker", "model-server"])
def test_the_packages_lie_on_the_disk_once(images, target):
    """A gigabyte: where an engine without copy-on-write builds, each copy of it counts several times."""
    packages, layers = (
        json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", images[name]))
        for name in ("packages", target)
    )
    assert layers[: len(packages)] == packages
    assert len(layers) <= len(packages) + 4


def test_torch_in_the_image_is_the_cpu_build(images):
    response = docker(
        "run", "--rm", "--network", "none", images["web"], "python", "-c", "import torch; print(torch.version.cuda)"
    )
    assert response.strip() == "None", "set TORCH_INDEX to the CPU index named on PyTorch's install page"
