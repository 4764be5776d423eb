"""A data file that was sent in parts: same protocol as images, no team's budget, one use."""

import json
from hashlib import sha256

import pytest
from django.urls import reverse

from submissions.models import DataFile, Upload
from submissions.phases.storage_budget import held_bytes
from submissions.storage.files import store
from submissions.tests.factories import make_member, make_phase, make_staff
from submissions.uploads import resumable

pytestmark = pytest.mark.django_db
URL = "/api/v1/uploads"
PART = 5 << 20  # the smallest S3 takes
BODY = bytes(range(256)) * (PART // 256) + b"the second part"
FORM = {"version": "1.0", "audience": "everybody"}


@pytest.fixture
def phase():
    return make_phase(slug="p")


@pytest.fixture
def organiser(phase, client, monkeypatch):
    monkeypatch.setattr(resumable, "PART_BYTES", PART)
    user = make_staff("organiser", phase)
    client.force_login(user)
    return user


def begin(client, name="scans", **more):
    body = {"filename": name, "size": len(BODY), "purpose": "data"} | more
    return client.post(URL, json.dumps(body), content_type="application/json")


def put_part(client, upload, number):
    piece = BODY[(number - 1) * PART : number * PART]
    return client.put(f"{URL}/{upload}/parts/{number}", piece, content_type="application/octet-stream")


def sent(client):
    upload = begin(client).json()["id"]
    assert [put_part(client, upload, number).status_code for number in (1, 2)] == [200, 200]
    assert client.post(f"{URL}/{upload}/complete").status_code == 200
    return upload


def address(phase):
    return reverse("data_file_add", args=[phase.challenge.slug])


def test_a_file_of_any_name_sent_in_parts_is_handed_out(client, phase, organiser):
    upload = sent(client)
    assert client.post(address(phase), {**FORM, "upload": upload}).status_code == 302
    file = DataFile.objects.get()
    assert (file.name, file.size_bytes, file.sha256) == ("scans", len(BODY), sha256(BODY).hexdigest())
    assert store().size(file.key) == len(BODY)
    assert not Upload.objects.exists()
    assert held_bytes(None) == len(BODY)  # what is handed out takes room on the site too


@pytest.mark.s3
def test_a_file_in_an_object_store_gets_its_digest_when_it_is_handed_out(client, phase, organiser, on_s3):
    upload = sent(client)
    assert Upload.objects.get().sha256 == ""
    assert client.post(address(phase), {**FORM, "upload": upload}).status_code == 302
    assert DataFile.objects.get().sha256 == sha256(BODY).hexdigest()


@pytest.mark.slow
def test_an_upload_stays_while_the_form_is_wrong_and_is_used_once(client, phase, organiser):
    upload = sent(client)
    wrong = client.post(address(phase), {**FORM, "upload": upload, "audience": "nobody at all"})
    assert wrong.status_code == 400
    assert f'name="upload" value="{upload}"' in wrong.content.decode()
    assert "has arrived and is used unless you choose another" in wrong.content.decode()
    assert client.post(address(phase), {**FORM, "upload": upload}).status_code == 302
    again = client.post(address(phase), {**FORM, "version": "2", "upload": upload})
    assert again.status_code == 400
    assert "Choose the file first" in again.content.decode()
    assert DataFile.objects.count() == 1


def test_the_page_lists_what_an_organiser_has_begun_and_deletes_it(client, phase, organiser):
    upload = begin(client).json()["id"]
    put_part(client, upload, 1)
    page = reverse("challenge_data", args=[phase.challenge.slug])
    shown = client.get(page).content.decode()
    assert "50 % here" in shown
    assert f'data-upload-id="{upload}"' in shown
    deleted = client.post(reverse("upload_delete", args=[upload]), {"next": page})
    assert (deleted.status_code, deleted["Location"]) == (302, page)
    assert not Upload.objects.exists()


@pytest.mark.parametrize("what", ["not complete", "of somebody else", "an image", "no id at all"])
def test_only_a_complete_data_file_of_ones_own_is_taken(client, phase, organiser, what):
    upload = begin(client).json()["id"] if what == "not complete" else sent(client)
    if what == "of somebody else":
        Upload.objects.update(user=make_staff("organiser", phase, name="other"))
    if what == "an image":
        Upload.objects.update(purpose=Upload.Purpose.IMAGE)
    answer = client.post(address(phase), {**FORM, "upload": "x" if what == "no id at all" else upload})
    assert answer.status_code == 400
    assert not DataFile.objects.exists()
    assert Upload.objects.count() == 1


def test_only_organisers_send_data_files_and_no_team_pays_for_them(client, phase, organiser, settings):
    settings.TEAM_STORAGE_BYTES = 1
    assert begin(client).status_code == 201
    client.force_login(make_member("ann"))
    refused = begin(client)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "FORBIDDEN")


def test_a_full_site_takes_no_file_with_the_form_either(client, phase, organiser, settings):
    from django.core.files.uploadedfile import SimpleUploadedFile

    settings.SITE_STORAGE_BYTES = 10
    form = {**FORM, "file": SimpleUploadedFile("a.zip", b"x" * 11)}
    assert client.post(address(phase), form).status_code == 507
    assert not DataFile.objects.exists()
