"""Uploads, many at once, on PostgreSQL: no limit overrun, no upload submitted twice, no 5xx."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from submissions.models import Submission, Upload
from submissions.tests.actions.test_concurrency import at_once
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import docker_archive
from submissions.tests.uploads.test_image_upload import image

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
IMAGE = docker_archive()


@pytest.fixture
def user():
    return make_member()


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def begin(client):
    body = json.dumps({"filename": "m.tar", "size": len(IMAGE)})
    return client.post("/api/v1/uploads", body, content_type="application/json")


def completed(user) -> str:
    """Return the id of an upload that is ready to be submitted."""
    client = signed_in(user)
    pk = begin(client).json()["id"]
    client.put(f"/api/v1/uploads/{pk}/parts/1", IMAGE, content_type="application/octet-stream")
    assert client.post(f"/api/v1/uploads/{pk}/complete").status_code == 200
    return pk


def test_ten_beginnings_at_once_open_two(user):
    clients = [signed_in(user) for _ in range(10)]

    codes = sorted(answer.status_code for answer in at_once(10, lambda i: begin(clients[i])))

    assert codes == [201] * 2 + [429] * 8
    assert Upload.objects.count() == 2


def test_one_upload_becomes_one_submission(user):
    make_phase(slug="p")
    pk = completed(user)
    clients = [signed_in(user) for _ in range(6)]

    def submit(i):
        return clients[i].post("/api/v1/submissions/docker", {"phase": "p", "upload": pk}).status_code

    assert sorted(at_once(6, submit)) == [201] + [400] * 5
    assert Submission.objects.count() == 1


def test_completing_at_once_completes_once(user):
    client = signed_in(user)
    pk = begin(client).json()["id"]
    client.put(f"/api/v1/uploads/{pk}/parts/1", IMAGE, content_type="application/octet-stream")
    clients = [signed_in(user) for _ in range(4)]

    codes = at_once(4, lambda i: clients[i].post(f"/api/v1/uploads/{pk}/complete").status_code)

    assert set(codes) == {200}
    assert Upload.objects.get().is_complete


def test_images_sent_at_once_never_exceed_the_quota_and_leave_no_file(user, own_files):
    make_phase(slug="p", quotas=[(2, timedelta(days=1))])
    clients = [signed_in(user) for _ in range(8)]

    def post(i):
        return clients[i].post("/api/v1/submissions/docker", {"phase": "p", "file": image()}).status_code

    assert sorted(at_once(8, post)) == [201] * 2 + [429] * 6
    assert len(list((own_files / "files").rglob("image.tar"))) == 2
    assert not list((own_files / "files" / "incoming").iterdir())
