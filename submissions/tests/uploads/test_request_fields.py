"""The fields beside an image: left empty, sent as a file, or there twice."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from lunasite.http.multipart import ONE_FILE
from submissions.models import Submission
from submissions.tests.factories import make_phase
from submissions.tests.sent_images import URL, image, refused
from submissions.tests.uploads.test_reuse import MODEL

pytestmark = pytest.mark.django_db
FIELDS = ("upload", "image", "model_archive", "image_reference", "contract", "adapter", "writable_folders", "sha256")


@pytest.fixture
def phase():
    return make_phase()


def test_a_form_that_leaves_fields_empty_is_taken(client, phase):
    """As a browser sends a form, and a script whose variable is empty."""
    answer = client.post(URL, {"phase": phase.slug, "file": image(), **dict.fromkeys(FIELDS, "")})
    assert answer.status_code == 201, answer.content
    submission = Submission.objects.get()
    assert (submission.contract, submission.adapter, submission.writable_folders) == ("http", {}, [])


@pytest.mark.parametrize("name", ["adapter", "writable_folders", "title", "phase"])
def test_a_plain_field_that_came_as_a_file_is_not_passed_over(client, phase, settings, name):
    """As JavaScript sends a Blob of JSON, and curl what it is given with `@`."""
    fields = {"phase": phase.slug, name: SimpleUploadedFile("blob", b'{"port": 9000}'), "file": image()}
    body = refused(client.post(URL, fields), 400, "VALIDATION_ERROR", settings)
    assert body["message"].startswith(f"{name}: it came as a file; send it as a plain field")
    assert body["details"]["field"] == name


def test_so_it_is_beside_a_csv(client, phase):
    fields = {
        "phase": phase.slug,
        "title": SimpleUploadedFile("blob", b"mine"),
        "file": SimpleUploadedFile("a.csv", b""),
    }
    answer = client.post("/api/v1/submissions", fields)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["message"].startswith("title: it came as a file; send it as a plain field")


@pytest.mark.parametrize("name", ["file", "model_archive"])
def test_two_files_of_one_name_are_refused(client, phase, settings, name):
    files = {"file": image(), name: [model(name), model(name)]}
    body = refused(client.post(URL, {"phase": phase.slug, **files}), 400, "VALIDATION_ERROR", settings)
    assert (body["message"], body["details"]["field"]) == (ONE_FILE, name)


def model(name):
    return image() if name == "file" else SimpleUploadedFile("model.tar.gz", MODEL)
