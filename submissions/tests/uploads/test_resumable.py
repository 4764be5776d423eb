"""Resumable uploads (docs/uploads.md), local and on S3; threat T41, rows U5, F20."""

import hashlib
import io
import json
import os
import random
import sys
import threading
import urllib.request
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.models import Submission, Upload
from submissions.storage import files as storage
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import docker_archive, layer
from submissions.uploads import resumable
from submissions.worker.periodic_jobs import run_due_jobs

pytestmark = pytest.mark.django_db
URL = "/api/v1/uploads"
PART = 5 << 20  # the smallest S3 takes
IMAGE = docker_archive([layer(data=os.urandom(PART)), layer("b", os.urandom(PART))])  # three parts
SHA256 = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("submissions.uploads.resumable.PART_BYTES", PART)


def begin(client, **more):
    body = json.dumps({"filename": "model.tar", "size": len(IMAGE)} | more)
    return client.post(URL, body, content_type="application/json")


def part(number: int, data: bytes = IMAGE) -> bytes:
    return data[(number - 1) * PART : number * PART]


def put(client, upload: dict, number: int, data: bytes | None = None):
    data = part(number) if data is None else data
    url = f"{URL}/{upload['id']}/parts/{number}"
    return client.put(url, data, content_type="application/octet-stream")


def complete(client, upload: dict):
    return client.post(f"{URL}/{upload['id']}/complete")


def state(client, upload: dict) -> dict:
    return client.get(f"{URL}/{upload['id']}").json()


def sent(client, **more) -> dict:
    """Return an upload whose parts are all there."""
    upload = begin(client, **more).json()
    for number in (1, 2, 3):
        assert put(client, upload, number).status_code == 200
    return upload


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def stored_files(settings) -> list[Path]:
    root = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_an_upload_says_how_to_cut_the_file(client):
    answer = begin(client)

    body = answer.json()
    assert answer.status_code == 201
    assert (body["part_size"], body["parts"], body["received"]) == (PART, 3, [])
    assert (body["size"], body["filename"], body["is_complete"]) == (len(IMAGE), "model.tar", False)


@pytest.mark.parametrize("size", [1, PART, PART + 1, 20 << 30, 200 << 30])
def test_no_file_has_too_many_parts(size: int):
    count = -(-size // resumable.part_bytes(size))
    assert 1 <= count <= 9000


def test_parts_in_any_order_become_the_file(anywhere, client):
    upload = begin(client, sha256=SHA256.upper()).json()
    for number in (3, 1, 2):
        put(client, upload, number)
    assert state(client, upload)["received"] == [1, 2, 3]

    body = complete(client, upload).json()

    assert (body["is_complete"], body["sha256"]) == (True, SHA256)
    assert storage.digest_of(Upload.objects.get().key).sha256 == SHA256


@pytest.mark.s3
def test_parts_go_straight_to_the_object_store(on_s3, client):
    upload = begin(client, sha256=SHA256).json()
    numbers = json.dumps({"numbers": [1, 2, 3]})

    listed = client.post(f"{URL}/{upload['id']}/parts", numbers, content_type="application/json").json()

    assert listed["expires_in"] <= 900
    through_site, *direct = listed["parts"]
    assert not through_site["direct"]  # the site judges the beginning of the file
    put(client, upload, 1, part(1))
    for item in direct:
        assert item["direct"]
        assert item["url"].startswith(on_s3.MINIO.url)
        request = urllib.request.Request(item["url"], data=part(item["number"]), method="PUT")
        assert urllib.request.urlopen(request, timeout=30).status == 200
    assert complete(client, upload).json()["sha256"] == SHA256


@pytest.mark.s3
def test_without_a_digest_a_far_file_is_not_read_back(on_s3, client):
    body = complete(client, sent(client)).json()
    assert (body["is_complete"], body["sha256"]) == (True, "")


@pytest.mark.slow
def test_local_parts_go_to_the_site_itself(client):
    upload = begin(client).json()
    url = f"{URL}/{upload['id']}/parts"

    [one] = client.post(url, json.dumps({"numbers": [2]}), content_type="application/json").json()["parts"]

    assert not one["direct"]
    assert one["url"] == f"http://testserver{url}/2"
    assert client.put(one["url"], part(2), content_type="application/octet-stream").status_code == 200


@pytest.mark.parametrize("numbers", [[0], [4], [-1], [], ["x"], 1, [1] * 1001])
def test_only_parts_of_the_file_have_addresses(client, numbers):
    url = f"{URL}/{begin(client).json()['id']}/parts"
    answer = client.post(url, json.dumps({"numbers": numbers}), content_type="application/json")
    assert code(answer) == (400, "VALIDATION_ERROR")


@pytest.mark.slow
def test_a_restarted_server_goes_on_where_it_was(anywhere, client, user):
    upload = begin(client).json()
    put(client, upload, 2)

    fresh = Client()  # nothing but the database and the store is left
    fresh.force_login(user)

    assert state(fresh, upload)["received"] == [2]
    assert [item["id"] for item in fresh.get(URL).json()] == [upload["id"]]
    for number in (1, 3):
        put(fresh, upload, number)
    assert complete(fresh, upload).json()["is_complete"]


def test_a_restart_in_the_middle_of_completing_loses_nothing(anywhere, client):
    upload = sent(client, sha256=SHA256)
    storage.store().join(Upload.objects.get().parts)  # joined, and then the server went away

    assert complete(client, upload).json()["sha256"] == SHA256
    assert complete(client, upload).status_code == 200


def test_what_was_submitted_when_it_is_complete_is_told_so(client):
    """A second request, sent when the first took long, ends after what came of the first."""
    upload = sent(client, sha256=SHA256)
    slow = Upload.objects.get()
    assert complete(client, upload).status_code == 200
    Upload.objects.all().delete()  # as submitting begins

    with pytest.raises(ApiError) as caught:
        resumable.complete(slow)

    assert (caught.value.status_code, caught.value.error_code) == (409, "UPLOAD_COMPLETE")


def test_missing_parts_are_named(anywhere, client):
    upload = begin(client).json()
    put(client, upload, 2)

    answer = complete(client, upload)

    assert code(answer) == (400, "UPLOAD_INCOMPLETE")
    assert answer.json()["details"]["missing"] == [1, 3]
    assert state(client, upload)["received"] == [2]


def test_a_part_has_its_exact_length(client):
    upload = begin(client).json()

    assert code(put(client, upload, 1, part(1)[:-1])) == (400, "UPLOAD_INCOMPLETE")
    assert code(put(client, upload, 1, part(1) + b"x")) == (413, "PART_SIZE")
    for longer in (part(1), part(3) + b"x"):  # the last part is shorter than the others
        assert code(put(client, upload, 3, longer)) == (413, "PART_SIZE")
    assert code(put(client, upload, 4, b"x")) == (400, "VALIDATION_ERROR")
    assert code(put(client, upload, 0, b"x")) == (400, "VALIDATION_ERROR")
    assert state(client, upload)["received"] == []


def test_a_part_may_be_sent_again(client):
    upload = sent(client, sha256=SHA256)
    put(client, upload, 2, bytes(PART))
    put(client, upload, 2)

    assert complete(client, upload).json()["sha256"] == SHA256


def test_a_part_that_broke_off_is_not_there(client):
    upload = begin(client).json()
    answer = client.generic(
        "PUT", f"{URL}/{upload['id']}/parts/1",
        **{"CONTENT_LENGTH": str(PART), "wsgi.input": io.BytesIO(part(1)[:1000])},
    )  # fmt: skip

    assert code(answer) == (400, "UPLOAD_INCOMPLETE")
    assert state(client, upload)["received"] == []


def test_a_wrong_digest_drops_the_upload(client, settings):
    upload = sent(client, sha256="0" * 64)

    assert code(complete(client, upload)) == (400, "CHECKSUM_MISMATCH")
    assert client.get(f"{URL}/{upload['id']}").status_code == 404
    assert stored_files(settings) == []


@pytest.mark.parametrize("size", [2000, len(IMAGE)])
def test_what_is_not_an_archive_is_dropped_at_its_first_part(client, settings, size):
    data = random.Random(size).randbytes(min(size, PART))
    upload = begin(client, size=size).json()

    assert code(put(client, upload, 1, data)) == (400, "UPLOAD_NOT_ARCHIVE")
    assert client.get(f"{URL}/{upload['id']}").status_code == 404
    assert stored_files(settings) == []


@pytest.mark.slow
def test_deleting_removes_every_byte(client, settings):
    half, whole = begin(client).json(), sent(client)
    put(client, half, 1)
    complete(client, whole)

    for upload in (half, whole):
        assert client.delete(f"{URL}/{upload['id']}").status_code == 204
        assert client.delete(f"{URL}/{upload['id']}").status_code == 404

    assert stored_files(settings) == []
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"filename": "model.zip"}, (400, "EXTENSION_NOT_ALLOWED")),
        ({"size": 0}, (400, "UPLOAD_EMPTY")),
        ({"size": -1}, (400, "VALIDATION_ERROR")),
        ({"size": "many"}, (400, "VALIDATION_ERROR")),
        ({"size": (20 << 30) + 1}, (413, "UPLOAD_TOO_LARGE")),
        ({"sha256": "xyz"}, (400, "VALIDATION_ERROR")),
        ({"filename": "x" * 5000 + ".tar"}, (400, "VALIDATION_ERROR")),
    ],
)
def test_what_cannot_be_taken_is_said_before_a_byte_is_sent(client, more, expected):
    assert code(begin(client, **more)) == expected


@pytest.mark.slow
def test_two_uploads_go_at_once(client, user):
    first, second = begin(client).json(), begin(client).json()

    answer = begin(client)
    assert code(answer) == (429, "TOO_MANY_UPLOADS")
    assert set(answer.json()["details"]["uploads"]) == {first["id"], second["id"]}
    # The sentence names places where they can be deleted.
    assert first["id"] in client.get("/account/uploads/").content.decode()
    assert {each["id"] for each in client.get("/api/v1/uploads").json()} == {first["id"], second["id"]}
    assert "(/account/uploads/, GET /api/v1/uploads)" in answer.json()["message"]

    client.delete(f"{URL}/{first['id']}")
    assert begin(client).status_code == 201


def test_a_disk_too_full_for_the_file_says_so_first(client, monkeypatch):
    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr("submissions.storage.local.os.statvfs", lambda _: Full)
    assert code(begin(client)) == (507, "STORAGE_FULL")


def test_unfinished_uploads_go_after_two_days(anywhere, client):
    old, new = begin(client).json(), begin(client).json()
    put(client, old, 1)
    Upload.objects.filter(pk=old["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert client.get(f"{URL}/{old['id']}").status_code == 404
    assert resumable.drop_expired() == 1
    assert [str(item.pk) for item in Upload.objects.all()] == [new["id"]]
    assert timedelta(hours=47) < Upload.objects.get().expires_at - timezone.now() <= timedelta(days=2)


# ---- whose it is


@pytest.mark.parametrize("method", ["get", "delete"])
def test_nobody_sees_another_users_upload(client, method: str):
    upload = begin(client).json()
    other = Client()
    other.force_login(make_member())

    assert getattr(other, method)(f"{URL}/{upload['id']}").status_code == 404
    assert put(other, upload, 1).status_code == 404
    assert complete(other, upload).status_code == 404
    assert other.get(URL).json() == []


def test_a_stranger_is_asked_who_he_is():
    assert begin(Client()).status_code == 401
    assert Client().put(f"{URL}/{uuid.uuid4()}/parts/1", b"x").status_code == 401


def test_a_session_needs_its_csrf_token_for_parts_too(user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert begin(client).status_code == 403
    assert client.put(f"{URL}/{uuid.uuid4()}/parts/1", b"x").status_code == 403


# ---- submitting it


def submit(client, upload: dict, phase, **more):
    return client.post("/api/v1/submissions/docker", {"phase": phase.slug, "upload": upload["id"], **more})


@pytest.mark.slow
def test_a_finished_upload_becomes_a_submission_once(anywhere, client):
    phase = make_phase()
    upload = sent(client, sha256=SHA256)
    complete(client, upload)

    answer = submit(client, upload, phase, contract="batch")

    body = answer.json()
    assert answer.status_code == 201, body
    submission = Submission.objects.get(pk=body["id"])
    assert (submission.sha256, submission.size_bytes, submission.contract) == (SHA256, len(IMAGE), "batch")
    assert submission.docker_image_name == "model.tar"
    assert storage.digest_of(submission.file).sha256 == SHA256
    assert code(submit(client, upload, phase)) == (400, "UPLOAD_NOT_FOUND")
    assert resumable.drop_expired() == 0


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.slow
def test_an_upload_sent_again_under_its_key_is_the_first_submission(client, page):
    """A client that did not get the answer asks once more: the upload is used up by then."""
    phase = make_phase()
    upload = sent(client)
    complete(client, upload)
    if page:
        form = {"contract": "http", "upload": upload["id"], "idempotency_key": "k"}
        first, second = (client.post(f"/phases/{phase.slug}/submit-image/", form)["Location"] for _ in "12")
    else:
        fields = {"phase": phase.slug, "upload": upload["id"]}
        headers = {"Idempotency-Key": "k"}
        first, second = (client.post("/api/v1/submissions/docker", fields, headers=headers).json() for _ in "12")
        first, second = first["id"], second["id"]
    assert first == second
    assert Submission.objects.count() == 1


def test_an_upload_under_the_key_of_another_request_just_now_is_that_ones(client, user, monkeypatch):
    phase, now = make_phase(), timezone.now()
    complete(client, sent(client))
    upload = Upload.objects.get()
    common = {"user": user, "phase": phase, "upload": upload, "received_at": now, "idempotency_key": "k"}
    made = []

    def other_request(**_):
        monkeypatch.undo()
        made.append(actions.submit_upload(**common))

    # A function of the package has the module's name.
    monkeypatch.setattr(sys.modules["submissions.actions.submit_image"], "check_may_submit", other_request)
    assert [actions.submit_upload(**common)] == made


@pytest.mark.slow
def test_an_upload_may_be_submitted_as_json(client):
    upload = sent(client)
    complete(client, upload)
    fields = {"phase": make_phase().slug, "upload": upload["id"], "adapter": {"port": 9000}}

    answer = client.post("/api/v1/submissions/docker", json.dumps(fields), content_type="application/json")

    assert answer.status_code == 201
    assert answer.json()["adapter"] == {"port": 9000}
    for bad in ("[]", "3", "{", '{"phase": {}}', '{"upload": "x"}'):
        refused = client.post("/api/v1/submissions/docker", bad, content_type="application/json")
        assert refused.status_code == 400, bad


def test_an_unfinished_upload_cannot_be_submitted(client):
    assert code(submit(client, begin(client).json(), make_phase())) == (409, "UPLOAD_INCOMPLETE")


@pytest.mark.slow
def test_a_refused_submission_keeps_the_upload(client):
    upload = sent(client)
    complete(client, upload)
    closed = make_phase(closes_at=timezone.now() - timedelta(minutes=1))

    assert code(submit(client, upload, closed)) == (403, "PHASE_CLOSED")
    assert code(submit(client, upload, make_phase(), sha256="1" * 64)) == (400, "CHECKSUM_MISMATCH")
    assert submit(client, upload, make_phase()).status_code == 201


@pytest.mark.slow
def test_file_and_upload_together_are_one_too_many(client):
    from submissions.tests.uploads.test_image_upload import image

    upload = sent(client)
    complete(client, upload)
    assert code(submit(client, upload, make_phase(), file=image())) == (400, "FILE_REQUIRED")


@pytest.mark.slow
def test_workers_drop_what_expired(client):
    begin(client)
    Upload.objects.update(expires_at=timezone.now())

    run_due_jobs(threading.Event())

    assert not Upload.objects.exists()


def test_a_part_that_comes_after_the_joining_is_told_so(user):
    upload = resumable.begin(user=user, filename="model.tar", size_bytes=len(IMAGE))
    for number in (1, 2, 3):
        resumable.put_part(upload, number, iter([part(number)]))

    def slow_part():
        yield part(1)[:1000]
        storage.store().join(upload.parts)
        yield part(1)[1000:]

    with pytest.raises(ApiError) as refusal:
        resumable.put_part(upload, 1, slow_part())
    assert (refusal.value.status_code, refusal.value.error_code) == (409, "UPLOAD_COMPLETE")


def test_who_drops_an_upload_too_late_leaves_the_submissions_file(user):
    """Whose row is gone when its expiry, or a delete, comes to it: the file is the submission's by now."""
    upload = resumable.begin(user=user, filename="model.tar", size_bytes=len(IMAGE))
    for number in (1, 2, 3):
        resumable.put_part(upload, number, iter([part(number)]))
    resumable.complete(upload)
    Upload.objects.filter(pk=upload.pk).delete()
    resumable.drop(upload)
    assert storage.store().size(upload.key) == len(IMAGE)
