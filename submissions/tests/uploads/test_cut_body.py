"""Connections that break while an image arrives, through the whole site as a server calls it: row U4, threat T41."""

import io
from pathlib import Path

import pytest
from django.core.servers.basehttp import get_internal_wsgi_application
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client, RequestFactory

from submissions.models import Submission
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import docker_archive

pytestmark = pytest.mark.django_db
IMAGE = docker_archive() + bytes(5 << 20)


class ResetConnection(io.BytesIO):
    """A body whose connection is reset once what arrived is read."""

    def read(self, *size):
        if piece := super().read(*size):
            return piece
        raise ConnectionResetError(104, "Connection reset by peer")


@pytest.fixture
def phase():
    return make_phase()


@pytest.fixture
def client(phase):
    """A member's browser that has the phase's page open."""
    client = Client()
    client.force_login(make_member())
    client.get(f"/phases/{phase.slug}/")
    return client


@pytest.fixture
def site(client):
    """The site as its server calls it; no request closes the connection that holds the test's rows."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_internal_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def post(client, site):
    """Post a form of which `arrived` is all that comes. Returns (status, answer)."""

    def post(path, arrived, **given):
        cookies = "; ".join(f"{name}={item.value}" for name, item in client.cookies.items())
        environ = RequestFactory().post(path).environ | {
            "CONTENT_TYPE": "multipart/form-data; boundary=b",
            "HTTP_COOKIE": cookies,
            "HTTP_HOST": "testserver",
            "wsgi.input": arrived,
            **given,
        }
        status = []
        answer = site(environ, lambda line, *_: status.append(int(line[:3])))
        body = b"".join(answer).decode()
        answer.close()
        return status[0], body

    return post


@pytest.fixture
def form(client, phase):
    token = client.cookies["csrftoken"].value
    fields = {"csrfmiddlewaretoken": token, "phase": phase.slug, "contract": "http"}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    parts.append('--b\r\nContent-Disposition: form-data; name="file"; filename="model.tar"\r\n\r\n')
    return "".join(parts).encode() + IMAGE + b"\r\n--b--\r\n"


def path_of(way, phase):
    return {"api": "/api/v1/submissions/docker", "page": f"/phases/{phase.slug}/submit-image/"}[way]


def stored_files(settings):
    root = Path(settings.STORAGES["default"]["OPTIONS"]["location"])
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("way", "status"), [("api", 201), ("page", 302)])
def test_a_whole_image_is_taken(post, phase, form, way, status):
    answered, answer = post(path_of(way, phase), io.BytesIO(form), CONTENT_LENGTH=str(len(form)))
    assert answered == status, answer
    assert Submission.objects.count() == 1


@pytest.mark.parametrize("connection", [io.BytesIO, ResetConnection], ids=["ends", "is reset"])
@pytest.mark.parametrize("way", ["api", "page"])
@pytest.mark.parametrize("arrived", [0, 100, "half", -1], ids=["nothing", "inside the token", "half", "all but a byte"])
def test_an_image_that_breaks_off_is_no_submission_and_leaves_no_file(
    post, phase, form, settings, way, connection, arrived
):
    count = len(form) // 2 if arrived == "half" else arrived

    status, answer = post(path_of(way, phase), connection(form[:count]), CONTENT_LENGTH=str(len(form)))

    assert status == 400, answer
    assert "The connection broke before the whole file arrived; send it again." in answer
    assert way == "page" or '"UPLOAD_INCOMPLETE"' in answer
    assert not Submission.objects.exists()
    assert stored_files(settings) == []


def test_an_image_in_pieces_that_breaks_off_is_no_submission(post, phase, form, settings):
    pieces = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

    status, answer = post(path_of("api", phase), ResetConnection(form[: len(form) // 2]), **pieces)

    assert (status, "UPLOAD_INCOMPLETE" in answer) == (400, True), answer
    assert not Submission.objects.exists()
    assert stored_files(settings) == []
