"""An image sent by API, and a refusal of it that must have left nothing."""

from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile

from submissions.models import Submission
from submissions.tests.image_archives import docker_archive

URL = "/api/v1/submissions/docker"
IMAGE = docker_archive()


def image(data: bytes = IMAGE, name: str = "model.tar") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def stored_files(settings) -> list[Path]:
    root = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    return [path for path in root.rglob("*") if path.is_file()]


def refused(answer, status: int, code: str, settings) -> dict:
    """Assert a refusal that left neither a row nor a byte."""
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (status, code), body
    assert not Submission.objects.exists()
    assert stored_files(settings) == []
    return body
