"""No page takes more than it needs, whoever asks."""

import io

import pytest
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from lunasite.http.limits import upload_handlers
from lunasite.http.limits.upload_handlers import MaxFormSizeUploadHandler

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_limit(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(upload_handlers, "MAX_BYTES", 1000)
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    return tmp_path


@pytest.mark.parametrize(("checks_csrf", "status"), [(True, 403), (False, 413)])
def test_a_form_with_a_large_file_is_refused_and_leaves_nothing(checks_csrf, status, small_limit):
    file = SimpleUploadedFile("a.bin", bytes(5000))
    answer = Client(enforce_csrf_checks=checks_csrf).post(
        "/accounts/login/", {"login": "ann", "password": "x", "extra": file}
    )
    assert answer.status_code == status
    assert not [path for path in small_limit.iterdir() if path.is_file()]


def test_the_api_says_so_in_json(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("ann"))
    answer = client.post("/api/v1/auth/token", {"username": "ann", "extra": SimpleUploadedFile("a.bin", bytes(5000))})
    assert (answer.status_code, answer.json()["error_code"]) == (413, "FILE_TOO_LARGE")


def test_a_form_that_hides_its_length_is_counted():
    handler = MaxFormSizeUploadHandler()
    handler.handle_raw_input(io.BytesIO(), {}, 0)
    assert handler.receive_data_chunk(bytes(1000), 0) == bytes(1000)
    with pytest.raises(RequestDataTooBig):
        handler.receive_data_chunk(b"x", 1000)


def test_what_fits_arrives(client):
    answer = client.post("/accounts/login/", {"login": "ann", "extra": SimpleUploadedFile("a.bin", bytes(500))})
    assert answer.status_code == 200
