"""An image as other tools send it, from the API or the form to its scores on a real engine."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from submissions.models import Submission
from submissions.models.team import team_of
from submissions.teams.registries import save_credential
from submissions.tests.evaluated_images import BY_COORDINATE, SERVE, archive_of, make_lesions, run
from submissions.tests.factories import make_member

pytestmark = [
    pytest.mark.engine,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("site_on_engine"),
]
HOST = os.environ.get("LUNASITE_TEST_REGISTRY", "")
CREDENTIALS = [os.environ.get(f"LUNASITE_TEST_REGISTRY_{name}", "") for name in ("USER", "PASSWORD")]


@pytest.fixture(scope="module")
def saved(bench) -> Path:
    """Return what `docker save` writes of an image that answers the x coordinate."""
    path = bench.folder / "saved.tar"
    path.write_bytes(archive_of(bench, SERVE.format(BY_COORDINATE)))
    return path


def skopeo(*arguments: str) -> None:
    subprocess.run(["skopeo", "copy", "-q", *arguments], check=True, capture_output=True, timeout=120)


def zstd_layers(saved: Path, folder: Path) -> bytes:
    path = folder / "zstd.tar"
    skopeo("--dest-compress-format", "zstd", f"docker-archive:{saved}", f"oci-archive:{path}")
    return path.read_bytes()


def folder_without_end(saved: Path, folder: Path) -> bytes:
    """Return an OCI folder packed again one level down, by a tool that writes no end of the tar."""
    skopeo(f"docker-archive:{saved}", f"oci:{folder}/model:latest")
    path = folder / "packed.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(folder / "model", "model")
        end = archive.offset
    return path.read_bytes()[:end]


def signed_in():
    user, client = make_member(), Client()
    client.force_login(user)
    return user, client


@pytest.mark.parametrize("pack", [zstd_layers, folder_without_end])
@pytest.mark.parametrize("way", ["api", "form"])
def test_a_foreign_archive_is_scored(saved, tmp_path, pack, way):
    phase = make_lesions()
    _, client = signed_in()
    file = SimpleUploadedFile("model.tar", pack(saved, tmp_path))
    address = "/api/v1/submissions/docker" if way == "api" else reverse("submit_docker", args=[phase.slug])

    answer = client.post(address, {"phase": phase.slug, "file": file, "contract": "http"})

    assert answer.status_code in (201, 302), answer.content
    evaluation = run(Submission.objects.get())
    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.failure_note, evaluation.staff_detail)
    assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)


@pytest.mark.registry
def test_an_image_in_a_registry_is_pulled_and_scored(saved, tmp_path, settings):
    settings.IMAGE_REGISTRIES = [HOST]
    phase = make_lesions()
    user, client = signed_in()
    save_credential(team_of(user), host=HOST, username=CREDENTIALS[0], password=CREDENTIALS[1])
    digest = tmp_path / "digest"
    push = ["--dest-tls-verify=false", "--dest-creds", ":".join(CREDENTIALS), "--digestfile", str(digest)]
    skopeo(*push, f"docker-archive:{saved}", f"docker://{HOST}/lab/model:1")
    reference = f"{HOST}/lab/model@{digest.read_text().strip()}"

    answer = client.post("/api/v1/submissions/docker", {"phase": phase.slug, "image_reference": reference})

    assert answer.status_code == 201, answer.json()
    evaluation = run(Submission.objects.get())
    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.failure_note, evaluation.staff_detail)
    assert "fetch" in [event.stage for event in evaluation.events.all()]
    assert evaluation.scores["public"]["auc"] == pytest.approx(1.0)
