"""Images by API in one request: rows U1–U6, U36–U40, threats T41, T42, T46."""

import gzip
import hashlib
import io
import re
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from submissions.models import Submission, Upload
from submissions.storage import files as storage
from submissions.storage.base import StorageError, Stored
from submissions.tests.factories import make_phase, make_user
from submissions.tests.image_archives import docker_archive
from submissions.tests.sent_images import IMAGE, URL, image, refused, stored_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def phase():
    return make_phase()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.tar", "model.tar.gz", "MODEL.TGZ"])
def test_an_image_is_stored_under_our_key_and_queued(client, phase, name: str):
    data = IMAGE if name.endswith(".tar") else gzip.compress(IMAGE)

    answer = client.post(URL, {"phase": phase.slug, "file": image(data, name), "model_version": "v2"})

    body = answer.json()
    assert answer.status_code == 201, body
    assert (body["submission_type"], body["evaluation_status"]) == ("docker", "pending")
    assert (body["docker_image_name"], body["phase"], body["model_version"]) == (name, phase.slug, "v2")
    assert re.fullmatch(r"submissions/[0-9a-f-]{36}/image\.tar", body["docker_image_path"])
    assert body["message"]
    submission = Submission.objects.get(pk=body["id"])
    assert submission.sha256 == hashlib.sha256(data).hexdigest()
    assert storage.digest_of(submission.file).sha256 == submission.sha256
    assert submission.latest.status == "pending"


@pytest.mark.s3
def test_an_image_goes_to_the_object_store(on_s3, client, phase):
    data = docker_archive() + bytes(20 << 20)

    answer = client.post(URL, {"phase": phase.slug, "file": image(data)})

    submission = Submission.objects.get(pk=answer.json()["id"])
    assert storage.digest_of(submission.file) == Stored(submission.file, hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.slow
def test_older_clients_say_dataset_id(client, phase):
    assert client.post(URL, {"dataset_id": phase.slug, "file": image()}).status_code == 201


@pytest.mark.slow
def test_fields_may_come_after_the_file(client, phase):
    answer = client.post(URL, {"file": image(), "sha256": hashlib.sha256(IMAGE).hexdigest(), "phase": phase.slug})
    assert answer.status_code == 201


# ---- the file


@pytest.mark.parametrize(
    ("data", "name", "status", "code"),
    [
        (b"", "model.tar", 400, "UPLOAD_EMPTY"),
        (IMAGE, "model.zip", 400, "EXTENSION_NOT_ALLOWED"),
        (IMAGE, "model.txt", 400, "EXTENSION_NOT_ALLOWED"),
        (IMAGE, "model.tar.exe", 400, "EXTENSION_NOT_ALLOWED"),
        (IMAGE, "model", 400, "EXTENSION_NOT_ALLOWED"),
        (b"<html>", "model.tar", 400, "UPLOAD_NOT_ARCHIVE"),
        (b"\x89PNG\r\n\x1a\n" + bytes(3000), "model.tar", 400, "UPLOAD_NOT_ARCHIVE"),
        (b"\x28\xb5\x2f\xfd" + bytes(3000), "model.tar", 400, "COMPRESSION_NOT_SUPPORTED"),
    ],
)
def test_what_cannot_be_an_image_is_refused_at_once(client, phase, settings, data, name, status, code):
    refused(client.post(URL, {"phase": phase.slug, "file": image(data, name)}), status, code, settings)


def test_no_file_is_asked_for(client, phase, settings):
    refused(client.post(URL, {"phase": phase.slug}), 400, "FILE_REQUIRED", settings)
    refused(client.post(URL, {"phase": phase.slug, "file": "text"}), 400, "FILE_REQUIRED", settings)
    refused(client.post(URL, {"phase": phase.slug, "other": image()}), 400, "FILE_REQUIRED", settings)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["image", "image_file", "docker_image"])
def test_an_image_under_another_name_is_told_its_right_name(client, phase, settings, part):
    answer = client.post(URL, {"phase": phase.slug, part: image()})
    assert answer.json()["message"] == f"The file came as `{part}`: name it `file`."
    assert client.post(URL, {"phase": phase.slug, "file": image()}).status_code == 201


def test_the_name_of_a_file_in_place_of_the_file_is_told(client, phase, settings):
    assert "write -F file=@NAME" in client.post(URL, {"phase": phase.slug, "file": "model.tar"}).json()["message"]


@pytest.mark.slow
def test_the_limit_is_exact(client, phase, settings):
    settings.MAX_IMAGE_BYTES = len(IMAGE)
    assert client.post(URL, {"phase": phase.slug, "file": image()}).status_code == 201

    Submission.objects.all()[0].evaluations.all().delete()
    settings.MAX_IMAGE_BYTES = len(IMAGE) - 1
    answer = client.post(URL, {"phase": phase.slug, "file": image()})
    assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE")
    assert len(stored_files(settings)) == 1


def test_a_declared_length_over_the_limit_is_refused_unread(client, phase, settings):
    settings.MAX_IMAGE_BYTES = 1000
    answer = client.generic(
        "POST", URL, b"--x", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(1 << 40)
    )
    refused(answer, 413, "UPLOAD_TOO_LARGE", settings)


def form(phase, data: bytes) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="phase"\r\n\r\n{phase.slug}\r\n--b\r\n'
    head += 'Content-Disposition: form-data; name="file"; filename="model.tar"\r\n\r\n'
    return head.encode() + data + b"\r\n--b--\r\n"


def post_stream(client: Client, body, length: int | str, **more):
    """Post a multipart body as a server hands it over: a stream, and what the client says of its length."""
    content_type = "multipart/form-data; boundary=b"
    environ = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(length), "wsgi.input": body}
    return client.generic("POST", URL, **environ, **more)


@pytest.mark.slow
def test_a_body_without_a_length_is_read_to_its_end_or_the_limit(client, phase, settings):
    def post():
        return post_stream(client, io.BytesIO(form(phase, IMAGE)), "", **{"wsgi.input_terminated": True})

    settings.MAX_IMAGE_BYTES = len(IMAGE) - 1
    refused(post(), 413, "UPLOAD_TOO_LARGE", settings)
    settings.MAX_IMAGE_BYTES = len(IMAGE)
    assert post().status_code == 201


def test_a_digest_that_does_not_match_is_refused(client, phase, settings):
    answer = client.post(URL, {"phase": phase.slug, "file": image(), "sha256": "0" * 64})
    refused(answer, 400, "CHECKSUM_MISMATCH", settings)
    answer = client.post(URL, {"phase": phase.slug, "file": image(), "sha256": "short"})
    refused(answer, 400, "VALIDATION_ERROR", settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../../x.tar", "<script>.tar", "x" * 4000 + ".tar", "\u202erat.tar", "CON.tar", "🙂.tar"]
)
def test_odd_names_become_text_and_never_a_path(client, phase, name: str):
    body = client.post(URL, {"phase": phase.slug, "file": image(name=name)}).json()

    assert re.fullmatch(r"submissions/[0-9a-f-]{36}/image\.tar", body["docker_image_path"])
    assert len(body["file_name"]) <= 255
    assert "/" not in body["file_name"]
    assert "\u202e" not in body["file_name"]


@pytest.mark.slow
def test_the_same_archive_twice_is_two_submissions(client, phase):
    first = client.post(URL, {"phase": phase.slug, "file": image()}).json()
    second = client.post(URL, {"phase": phase.slug, "file": image()})

    assert second.status_code == 201
    assert second.json()["id"] != first["id"]


@pytest.mark.slow
def test_a_double_click_sends_once(client, phase, settings):
    twice = [
        client.post(URL, {"phase": phase.slug, "file": image()}, headers={"Idempotency-Key": "k"}).json()["id"]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    assert len(stored_files(settings)) == 1


# ---- who and when


def test_a_stranger_is_turned_away_before_the_body_is_read(phase, settings):
    answer = Client().post(URL, {"phase": phase.slug, "file": image()})
    refused(answer, 401, "UNAUTHORIZED", settings)


def test_a_session_needs_its_csrf_token(user, phase, settings):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    refused(client.post(URL, {"phase": phase.slug, "file": image()}), 403, "FORBIDDEN", settings)


@pytest.mark.parametrize(("opens", "closes"), [(1, 2), (-2, -1), (-2, 0)])
def test_a_phase_that_is_not_open_takes_nothing(client, settings, opens: int, closes: int):
    now = timezone.now()
    phase = make_phase(opens_at=now + timedelta(hours=opens), closes_at=now + timedelta(hours=closes))
    refused(client.post(URL, {"phase": phase.slug, "file": image()}), 403, "PHASE_CLOSED", settings)


@pytest.mark.slow
def test_a_used_up_quota_keeps_no_file(client, settings):
    phase = make_phase(quotas=[(1, None)])
    assert client.post(URL, {"phase": phase.slug, "file": image()}).status_code == 201

    answer = client.post(URL, {"phase": phase.slug, "file": image()})

    assert (answer.status_code, answer.json()["error_code"]) == (429, "QUOTA_EXCEEDED")
    assert len(stored_files(settings)) == 1


def test_a_phase_for_csv_only_says_so(client, settings):
    phase = make_phase(accepts_docker=False)
    refused(client.post(URL, {"phase": phase.slug, "file": image()}), 400, "TYPE_NOT_ACCEPTED", settings)


def test_a_deactivated_user_is_nobody(client, user, phase, settings):
    user.is_active = False
    user.save()
    refused(client.post(URL, {"phase": phase.slug, "file": image()}), 401, "UNAUTHORIZED", settings)


@pytest.mark.slow
def test_fields_of_ours_cannot_be_set(client, user, phase):
    mine = {"is_baseline": "true", "team": "7", "image_id": "sha256:x", "status": "completed", "try_counts": "false"}
    body = client.post(URL, {"phase": phase.slug, "file": image(), **mine}).json()

    submission = Submission.objects.get(pk=body["id"])
    assert (submission.is_baseline, submission.image_id, submission.try_counts) == (False, "", True)
    assert submission.team == user.membership.team


def test_a_store_that_is_down_answers_503(client, phase, monkeypatch):
    def down(*_: object) -> None:
        raise StorageError("MINIO_ENDPOINT does not answer")

    monkeypatch.setattr("submissions.storage.local.LocalWriter.finish", down)

    answer = client.post(URL, {"phase": phase.slug, "file": image()})

    assert (answer.status_code, answer.json()["error_code"]) == (503, "SYSTEM_STORAGE")
    assert "MINIO" not in answer.content.decode()
    assert not Submission.objects.exists()


def test_a_full_disk_answers_507(client, phase, settings, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("submissions.storage.local.os.write", full)
    refused(client.post(URL, {"phase": phase.slug, "file": image()}), 507, "SYSTEM_DISK", settings)


@pytest.mark.slow
def test_memory_stays_flat_however_large_the_image(client, phase, tmp_path: Path):
    path = tmp_path / "model.tar"
    with path.open("wb") as file:
        file.write(form(phase, b"")[: -len(b"\r\n--b--\r\n")] + IMAGE)
        for _ in range(64):
            file.write(bytes(1 << 20))
        file.write(b"\r\n--b--\r\n")
    with path.open("rb") as body:
        tracemalloc.start()
        answer = post_stream(client, body, path.stat().st_size)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert answer.status_code == 201
    assert peak_bytes < 32 << 20


def test_another_users_upload_is_no_upload(client, phase, settings):
    theirs = Upload.objects.create(
        user=make_user(), original_name="x.tar", size_bytes=1, part_bytes=1, key="k", handle="h", is_complete=True
    )
    refused(client.post(URL, {"phase": phase.slug, "upload": str(theirs.pk)}), 400, "UPLOAD_NOT_FOUND", settings)


@pytest.mark.slow
def test_its_team_gets_the_file_back(client, phase):
    body = client.post(URL, {"phase": phase.slug, "file": image()}).json()

    answer = client.get(client.get(f"/api/v1/submissions/{body['id']}/file")["Location"])

    assert b"".join(answer.streaming_content) == IMAGE
    assert answer["Content-Disposition"] == 'attachment; filename="model.tar"'
