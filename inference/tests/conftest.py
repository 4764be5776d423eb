"""What the tests of the inference app share: a model service of their own, a caller, folders that go away."""

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from knox.models import get_token_model
from rest_framework.test import APIClient

from inference.tests.fake_engine import FakeEngine
from inference.tests.samples import mha, picture

LESION = {"seriesInstanceUID": "1.2.3", "lesionID": "7", "coordX": "1", "coordY": "2.5", "coordZ": "3e0"}


@pytest.fixture
def fake(monkeypatch) -> FakeEngine:
    """Stand in for the model process."""
    one = FakeEngine()
    monkeypatch.setattr("inference.actions.engine", lambda: one)
    return one


@pytest.fixture
def folders(settings, tmp_path):
    """Feedback, drift and temporary files in folders of this test."""
    settings.FEEDBACK_DIR = tmp_path / "kept"
    settings.DRIFT_CURRENT_PATH = tmp_path / "drift" / "current.csv"
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "uploads")
    (tmp_path / "uploads").mkdir()
    return tmp_path


@pytest.fixture
def user(db, django_user_model):
    return django_user_model.objects.create_user("ann", "ann@example.org")


@pytest.fixture
def staff(db, django_user_model):
    user = django_user_model.objects.create_user("rev", "rev@example.org", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=["reviewer", "operator"]))  # the operator sees the drift
    return user


@pytest.fixture
def token(user) -> str:
    return get_token_model().objects.create(user)[1]


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.fixture
def api(token, fake, folders) -> APIClient:
    """A caller with a token, a fake model behind the site."""
    client = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def scan_file(data: bytes | None = None, name: str = "scan.mha") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, mha() if data is None else data)


def picture_file(data: bytes | None = None, name: str = "slice.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture() if data is None else data)


def lesion(file=None, **changes) -> dict:
    """Return a body of the lesion API; a change to None leaves the field out."""
    body = {"file": file or scan_file(), **LESION, **changes}
    return {name: value for name, value in body.items() if value is not None}
