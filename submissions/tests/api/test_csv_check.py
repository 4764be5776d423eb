"""Checking a CSV by API: the ids that are not right are named, and a request without a file is told what to send."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from submissions.accounts.tokens import create_token
from submissions.models import Submission
from submissions.tests.factories import csv_bytes, make_dataset, make_member, make_phase

pytestmark = pytest.mark.django_db
URL = "/api/v1/submissions"


@pytest.fixture
def client():
    client = APIClient()
    user = make_member("ann", team="A-team")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_token(user=user, name='t')[1]}")
    return client


@pytest.fixture
def phase():
    return make_phase(slug="p1")


def send_check(client, content: bytes, query: str = "", name: str = "file"):
    return client.post(
        f"/api/v1/phases/p1/check{query}", {name: SimpleUploadedFile("x.csv", content)}, format="multipart"
    )


class TestIdsThatAreNotRight:
    """Ten of each are named in the answer, all of them on request; they cost no try."""

    def test_ten_or_all_are_named(self, client):
        phase = make_phase(slug="p1", dataset=make_dataset(truth=[0] * 15 + [1] * 10))
        ids = phase.case_ids()
        content = ("AnnotationID,probability\n" + "".join(f"{i},0.5\nx{i},0.5\n" for i in ids[:12])).encode()
        details = send_check(client, content).json()["details"]
        assert (details["missing_ids"], len(details["unknown_ids"])) == (ids[12:22], 10)
        assert (details["counts"]["missing"], details["counts"]["unknown"]) == (len(ids) - 12, 12)
        every = send_check(client, content, "?ids=all").json()["details"]
        assert (every["missing_ids"], len(every["unknown_ids"])) == (ids[12:], 12)
        assert Submission.objects.count() == 0


REQUESTS = [
    ("multipart/form-data", b"--x", 400, "The boundary is missing: let your HTTP client set Content-Type itself."),
    ("text/csv", b"id,prob\n", 415, "let Content-Type say which, and send a file as the part `file` of multipart"),
    ("application/json", b"{}", 400, "The body is JSON, which holds no file: send multipart/form-data"),
    ("application/x-www-form-urlencoded", b"file=x", 400, "which holds no file: send multipart/form-data"),
]


@pytest.mark.parametrize(("content_type", "content", "status", "sentence"), REQUESTS)
@pytest.mark.parametrize("url", ["/api/v1/phases/p1/check", URL])
def test_a_request_without_a_file_is_told_what_to_send(client, phase, url, content_type, content, status, sentence):
    answer = client.generic("POST", url, content, content_type=content_type)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize("name", ["csv", "predictions", "image_file"])
def test_a_part_of_another_name_is_told_its_right_name(client, phase, name):
    answer = send_check(client, csv_bytes(), name=name)
    assert answer.status_code == 400
    assert f"The file came as `{name}`: name it `file`." in answer.json()["message"]
    assert send_check(client, csv_bytes()).status_code == 200
