"""The first 64 KiB are judged before the rest travels: asked for by the browser, and in every way to upload."""

import json
import random

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from submissions.models import Submission
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import Member, docker_archive, layer, tar
from submissions.uploads.checks import NAME_JUDGES, too_large

pytestmark = pytest.mark.django_db
CHECK = "/api/v1/uploads/check"
SOURCE = tar([Member("Dockerfile", b"FROM x\n"), Member("weights.pt", random.Random(1).randbytes(3_000_000))])
IMAGE = docker_archive([layer(data=random.Random(2).randbytes(200_000))])


@pytest.fixture
def client():
    client = Client()
    client.force_login(make_member())
    return client


def check(client, data: bytes, name: str = "model.tar"):
    return client.post(f"{CHECK}?filename={name}", data, content_type="application/octet-stream")


@pytest.mark.parametrize(
    ("data", "name", "status", "code"),
    [
        (IMAGE[:65536], "model.tar", 200, None),
        (SOURCE[:65536], "model.tar", 400, "IMAGE_NO_MANIFEST"),
        (b"\xff\xfec\0", "model.tar", 400, "UPLOAD_NOT_ARCHIVE"),
        (b"", "model.tar", 400, "UPLOAD_EMPTY"),
        (IMAGE[:65536], "model.sif", 400, "EXTENSION_NOT_ALLOWED"),
        (IMAGE[:65537], "model.tar", 413, "PART_SIZE"),
    ],
)
def test_the_site_judges_a_beginning(client, data, name, status, code):
    answer = check(client, data, name)
    assert (answer.status_code, answer.json().get("error_code")) == (status, code)


@pytest.mark.slow
def test_a_browser_asks_with_its_csrf_token():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_member())
    make_phase(slug="p")
    client.get("/phases/p/?send=docker")
    raw = {"content_type": "application/octet-stream"}
    token = client.cookies["csrftoken"].value

    assert client.post(f"{CHECK}?filename=m.tar", IMAGE[:65536], **raw).status_code == 403
    assert (
        client.post(f"{CHECK}?filename=m.tar", IMAGE[:65536], **raw, headers={"X-CSRFToken": token}).status_code == 200
    )
    answer = client.post(f"{CHECK}?filename=m.tar", SOURCE[:65536], **raw, headers={"X-CSRFToken": token})
    assert answer.json()["error_code"] == "IMAGE_NO_MANIFEST"


def test_only_those_who_are_signed_in_are_answered():
    assert check(Client(), IMAGE[:100]).status_code == 401


def test_a_form_without_a_name_is_told_so(client):
    answer = client.post(CHECK, IMAGE[:100], content_type="application/octet-stream")
    assert answer.status_code == 400
    assert "filename" in json.dumps(answer.json())


@pytest.mark.slow
def test_a_streamed_image_is_refused_by_its_beginning(client, settings):
    phase = make_phase(slug="p")
    file = SimpleUploadedFile("model.tar", SOURCE)

    answer = client.post("/api/v1/submissions/docker", {"phase": phase.slug, "file": file})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "IMAGE_NO_MANIFEST")
    assert "Dockerfile" in answer.json()["message"]
    assert not Submission.objects.exists()
    assert [path for path in settings.DATA_DIR.glob("files/**/*") if path.is_file()] == []


@pytest.mark.parametrize("purpose", NAME_JUDGES)
def test_a_file_that_is_too_large_is_told_what_makes_that_file_smaller(purpose):
    message = too_large(purpose, 2 * 2**30).message
    assert message.startswith("The file is larger than 2 GB, the most this site takes; ")
    assert ("image" in message) == (purpose == "image")
