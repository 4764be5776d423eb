"""Sending the same file again: the form asks and keeps the file, the API takes it and says so."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from submissions.models import Submission, Upload
from submissions.tests.factories import csv_bytes, csv_file, evaluated, make_member, make_phase
from submissions.uploads import listing, resumable

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def ann(client):
    user = make_member("ann")
    client.force_login(user)
    return user


@pytest.fixture
def phase(ann):
    phase = make_phase(slug="p")
    evaluated(user=ann, phase=phase)
    return phase


def kept_in(page):
    return re.search(r'name="kept" value="([0-9a-f-]{36})"', page).group(1)


def test_the_form_asks_and_sends_the_kept_file_when_told_to(client, phase):
    answer = client.post("/phases/p/submit/", {"file": csv_file(), "title": "Once more", "idempotency_key": "k" * 20})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "exactly this file" in page
    assert Submission.objects.count() == 1
    confirmed = {"kept": kept_in(page), "title": "Once more", "idempotency_key": "k" * 20, "again": "1"}
    assert client.post("/phases/p/submit/", confirmed).status_code == 302
    newest = Submission.objects.first()
    assert (Submission.objects.count(), newest.title, newest.original_name) == (2, "Once more", "predictions.csv")
    assert newest.sha256 == Submission.objects.last().sha256
    assert not Upload.objects.exists()


def test_another_file_another_phase_and_another_team_are_not_asked_about(client, phase):
    other = SimpleUploadedFile("x.csv", csv_bytes([0.5] * 10))
    assert client.post("/phases/p/submit/", {"file": other}).status_code == 302
    make_phase(slug="q")
    assert client.post("/phases/q/submit/", {"file": csv_file()}).status_code == 302
    client.force_login(make_member("ben"))
    assert client.post("/phases/p/submit/", {"file": csv_file()}).status_code == 302


def test_a_file_whose_try_was_given_back_is_not_asked_about(client, phase):
    Submission.objects.update(try_counts=False)
    assert client.post("/phases/p/submit/", {"file": csv_file()}).status_code == 302


def test_a_double_click_is_not_asked_about(client, ann):
    make_phase(slug="p")
    sent = [client.post("/phases/p/submit/", {"file": csv_file(), "idempotency_key": "k" * 20}) for _ in range(2)]
    assert sent[0].headers["Location"] == sent[1].headers["Location"]
    assert Submission.objects.count() == 1


def test_only_the_newest_question_keeps_a_file(client, phase):
    for _ in range(3):
        client.post("/phases/p/submit/", {"file": csv_file()})
    assert Upload.objects.count() == 1


def test_a_kept_file_of_somebody_else_is_not_sent(client, phase):
    page = client.post("/phases/p/submit/", {"file": csv_file()}).content.decode()
    client.force_login(make_member("ben"))
    assert client.post("/phases/p/submit/", {"kept": kept_in(page), "again": "1"}).status_code == 400
    assert Submission.objects.count() == 1


def test_the_api_takes_it_and_warns(client, phase):
    first = Submission.objects.get()
    answer = client.post("/api/v1/submissions", {"phase": "p", "file": csv_file()})
    assert answer.status_code == 201
    assert answer.json()["warnings"] == [
        f"Your team has sent exactly this file to this phase before: submission {first.pk}."
    ]
    other = SimpleUploadedFile("x.csv", csv_bytes([0.5] * 10))
    assert client.post("/api/v1/submissions", {"phase": "p", "file": other}).json()["warnings"] == []


def test_an_image_that_was_sent_before_is_asked_about_and_stays_an_upload(client, ann, phase):
    upload = resumable.begin(user=ann, filename="model.tar", size_bytes=10)
    Upload.objects.filter(pk=upload.pk).update(is_complete=True, sha256="a" * 64)
    Submission.objects.update(sha256="a" * 64)
    form = {"upload": str(upload.pk), "contract": "http"}
    answer = client.post("/phases/p/submit-image/", form)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert f'name="upload" value="{upload.pk}"' in page
    assert client.post("/phases/p/submit-image/", form | {"again": "1"}).status_code == 302
    assert Submission.objects.count() == 2


class TestTheUploads:
    def test_are_listed_with_what_has_arrived_and_can_be_deleted(self, client, ann, phase):
        upload = resumable.begin(user=ann, filename="model.tar", size_bytes=20 << 20, fingerprint="f" * 64)
        assert [item.percent for item in listing.uploads_of(ann)] == [0]
        for path in ("/account/uploads/", "/phases/p/?send=docker"):
            page = client.get(path).content.decode()
            assert "model.tar" in page
            assert f'data-upload-fingerprint="{"f" * 64}"' in page
        assert client.post(f"/account/uploads/{upload.pk}/delete/", {"next": "/phases/p/"}).status_code == 302
        assert not Upload.objects.exists()

    @pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/phases/", "/admin/", ""])
    def test_deleting_leads_to_no_strange_place(self, client, ann, target):
        upload = resumable.begin(user=ann, filename="model.tar", size_bytes=10)
        answer = client.post(f"/account/uploads/{upload.pk}/delete/", {"next": target})
        assert answer.headers["Location"] == "/account/uploads/"

    def test_nobody_deletes_another_s(self, client, ann):
        upload = resumable.begin(user=make_member("ben"), filename="model.tar", size_bytes=10)
        assert client.post(f"/account/uploads/{upload.pk}/delete/").status_code == 404
        assert Upload.objects.count() == 1

    def test_the_api_does_not_list_predictions_that_wait_for_a_yes(self, client, phase):
        client.post("/phases/p/submit/", {"file": csv_file()})
        assert client.get("/api/v1/uploads").json() == []
        refused = client.post("/api/v1/uploads", {"filename": "a.csv", "size": 1, "purpose": "csv"}, "application/json")
        assert refused.status_code == 400


def test_no_file_is_kept_beyond_the_budget(client, phase, settings):
    settings.TEAM_STORAGE_BYTES = 1
    answer = client.post("/phases/p/submit/", {"file": csv_file()})
    assert answer.status_code == 507
    assert not Upload.objects.exists()
