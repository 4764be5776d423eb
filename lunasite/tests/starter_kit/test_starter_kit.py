"""The starter kit: what is in it and what never is, and its README's own commands against the live site."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from inference.ct.phantom import make_phantom
from inference.ct.writing import write_mha
from lunasite.starter_kit import archive
from lunasite.starter_kit.contents import Contents, Image
from submissions import actions
from submissions.accounts.tokens import create_token
from submissions.models import Case, Evaluation
from submissions.tests.factories import make_dataset, make_member, make_phase

pytestmark = pytest.mark.slow

SPLITS = ["public"] * 4 + ["private"] * 4 + ["sample"] * 4
TRUTH = [0, 1] * 6
HIDDEN = b"HIDDEN VOXELS OF CASE %d"


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """Two small chests with a nodule of each label: [(bytes, [(point, label), …]), …]."""
    folder, found = tmp_path_factory.mktemp("chests"), []
    for number in range(2):
        phantom = make_phantom(
            50 + number, labels=(False, True), shape_zyx=(24, 80, 80), spacing_xyz_mm=(4.0, 4.0, 6.0)
        )
        write_mha(phantom.volume, folder / "x.mha")
        lesions = [(list(nodule.point_xyz_mm), int(nodule.is_malignant)) for nodule in phantom.nodules]
        found.append(((folder / "x.mha").read_bytes(), lesions))
    return found


def make_competition(chests, slug="p", **fields):
    """Return a competition: hidden cases with recognisable bytes, and the chests' nodules as samples."""
    dataset = make_dataset(truth=TRUTH, splits=SPLITS)
    for number, case in enumerate(dataset.scored_cases()):
        case.image = storages["datasets"].save(f"{dataset.name}/v1/h{number}.mha", ContentFile(HIDDEN % number))
        case.facts["clinical"] = {"PatientComment": f"hidden fact {number}"}
        case.save()
    samples = iter(dataset.sample_cases())
    for number, (data, lesions) in enumerate(chests):
        key = storages["datasets"].save(f"{dataset.name}/v1/s{number}.mha", ContentFile(data))
        for point, label in lesions:
            case = next(samples)
            Case.objects.filter(pk=case.pk).update(image=key, truth=label, facts={"point_xyz_mm": point})
    return make_phase(dataset, slug=slug, **fields)


def unpacked(response):
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


@pytest.fixture
def phase(db, chests, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return make_competition(chests, batch_slugs={"image": "my-ct", "output": "my-answers"})


def test_the_kit_holds_the_samples_the_client_and_both_examples(client, phase, settings):
    kit = unpacked(client.get("/phases/p/starter-kit.zip"))
    names = {name.removeprefix("p/") for name in kit.namelist()}
    assert names >= {
        "README.md", "lunasite.py", "template.csv", "samples.csv", "predict_samples.py", "nodule_size.py",
        "cases/cases.json", "cases/1.mha", "cases/2.mha", "containers/http-baseline/Dockerfile",
        "containers/batch-baseline/predict.py", "containers/nodule_size.py",
    }  # fmt: skip
    assert f'SITE = "{settings.SITE_URL}"' in kit.read("p/lunasite.py").decode()
    predict = kit.read("p/containers/batch-baseline/predict.py").decode()
    assert '"images" / "my-ct"' in predict
    assert '"my-answers.json"' in predict
    readme = "README.md"
    assert "phase=p " in kit.read(f"p/containers/http-baseline/{readme}").decode()
    own = kit.read(f"p/{readme}").decode()
    assert {name.partition("/")[0] for name in names} - {readme} == set(
        re.findall(r"^\| `([^`/]+)/?` \|", own, re.MULTILINE)
    )
    cases = json.loads(kit.read("p/cases/cases.json"))
    assert {case["id"] for case in cases} == set(phase.sample_ids())


def test_no_hidden_image_fact_or_label_is_in_the_kit(client, phase):
    kit = unpacked(client.get("/phases/p/starter-kit.zip"))
    everything = b"\0".join(kit.read(name) for name in kit.namelist())
    assert b"HIDDEN" not in everything
    assert b"hidden fact" not in everything
    samples = set(phase.sample_ids())
    assert {row[0] for row in csv.reader(io.StringIO(kit.read("p/samples.csv").decode()))} - {"id"} == samples
    # Of the hidden cases only the ids, each with the template's one value, and nowhere else.
    rows = list(csv.reader(io.StringIO(kit.read("p/template.csv").decode())))[1:]
    assert {row[1] for row in rows} == {"0.5"} or len({row[1] for row in rows}) == 1
    for name in set(kit.namelist()) - {"p/template.csv"}:
        words = set(re.findall(rb"\bcase\d+\b", kit.read(name)))
        assert words <= {public_id.encode() for public_id in samples}, name


def test_a_kit_is_written_once_and_anew_when_what_is_in_it_changes(client, phase, monkeypatch):
    writes = []
    write = archive._write
    monkeypatch.setattr(archive, "_write", lambda *args: (writes.append(1), write(*args)))
    first = client.get("/phases/p/starter-kit.zip")
    etag, body = first["ETag"], b"".join(first.streaming_content)
    again = client.get("/phases/p/starter-kit.zip", headers={"Range": "bytes=10-19", "If-Range": etag})
    assert (again.status_code, b"".join(again.streaming_content)) == (206, body[10:20])
    assert len(writes) == 1
    type(phase).objects.update(title="Another title")
    assert client.get("/phases/p/starter-kit.zip")["ETag"] != etag
    assert len(writes) == 2
    assert len(list(archive.folder().glob("*.zip"))) == 1


def test_a_hidden_phase_has_no_kit_for_others(client, phase):
    type(phase).objects.update(is_hidden=True)
    assert client.get("/phases/p/starter-kit.zip").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_commands_of_its_readme_end_with_a_scored_sample(client, live_server, chests, settings, tmp_path):
    """As a participant: unpack, copy the last block of commands, read the sample's AUC."""
    settings.SITE_URL, settings.DATA_DIR = live_server.url, tmp_path / "data"
    phase = make_competition(chests)
    token = create_token(user=make_member("ada"), name="kit")[1]
    unpacked(client.get("/phases/p/starter-kit.zip")).extractall(tmp_path)
    folder = tmp_path / "p"
    block = re.findall(r"^```\n(.*?)^```", (folder / "README.md").read_text(), re.DOTALL | re.MULTILINE)[-1]
    commands = [line.split() for line in block.splitlines()]
    assert [words[1] for words in commands] == ["lunasite.py", "predict_samples.py", "lunasite.py", "lunasite.py"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    for number, (_, *arguments) in enumerate(commands):
        more = ["--token", token] if arguments[1:] == ["login"] else []
        process = subprocess.Popen(
            [sys.executable, *arguments, *more], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        if number == len(commands) - 1:
            be_the_worker(process)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    scores = Evaluation.objects.get().scores["sample"]
    assert "sample:" in out
    assert re.search(rf"auc +{scores['auc']:.4g}", out), out
    assert scores["auc"] > 0.5  # the model of the kit tells the large nodules from the small ones
    assert phase.submissions.get().user.username == "ada"


def be_the_worker(process):
    """Evaluate what the client submits."""
    while process.poll() is None and not Evaluation.objects.filter(status="pending").exists():
        time.sleep(0.05)
    if waiting := Evaluation.objects.filter(status="pending").first():
        actions.evaluate(evaluation_id=waiting.pk, worker="tests")


def test_a_killed_process_leaves_no_part_of_a_kit_for_ever(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    phase = SimpleNamespace(pk=7, slug="p")

    def contents(pieces):
        return Contents({"README.md": b"text"}, [Image("cases/1.mha", "a", pieces)])

    child = os.fork()
    if child == 0:
        try:
            archive.kit_file(phase, contents(lambda: os.kill(os.getpid(), signal.SIGKILL)), "0" * 64)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    kit = archive.kit_file(phase, contents(lambda: iter([b"voxels"])), "1" * 64)
    assert {path.name for path in archive.folder().iterdir()} == {kit.name, "7.lock"}
