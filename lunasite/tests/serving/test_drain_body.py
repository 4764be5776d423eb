"""What stands around the site: unread bodies are read after the answer, strange requests get a 400."""

import io
import json

import pytest
from django.test import RequestFactory

from lunasite.serving import drain_body
from lunasite.serving.drain_body import DrainRequestBody


class Endless(io.RawIOBase):
    """A caller who never stops sending; `read_bytes` is what was taken."""

    read_bytes = 0

    def read(self, size=-1):
        self.read_bytes += size
        return bytes(size)


class Broken(io.RawIOBase):
    def read(self, size=-1):
        raise ConnectionResetError


def served(body, length: str = "1000000", **headers: str) -> list[bytes]:
    """Return the answer of a site that reads nothing, closed as a server closes it."""
    site = DrainRequestBody(lambda environ, start_response: [b"no"])
    answer = site({"wsgi.input": body, "CONTENT_LENGTH": length, **headers}, lambda *_: None)
    parts = list(answer)
    if hasattr(answer, "close"):
        answer.close()
    return parts


def test_reads_the_rest():
    body = io.BytesIO(bytes(1_000_000))
    assert served(body) == [b"no"]
    assert body.read() == b""


def test_reads_the_rest_of_a_body_in_pieces():
    body = io.BytesIO(bytes(1_000_000))
    assert served(body, "", HTTP_TRANSFER_ENCODING="chunked") == [b"no"]
    assert body.read() == b""


@pytest.mark.parametrize("length", ["", "0"])
def test_reads_nothing_where_nothing_was_announced(length):
    assert served(Broken(), length) == [b"no"]


def test_a_caller_who_is_gone_is_no_error():
    assert served(Broken()) == [b"no"]


def test_stops_after_its_bytes(monkeypatch):
    monkeypatch.setattr(drain_body, "MAX_BYTES", 10 * drain_body.CHUNK_BYTES)
    body = Endless()
    served(body)
    assert body.read_bytes == 10 * drain_body.CHUNK_BYTES


def test_stops_after_its_time(monkeypatch):
    monkeypatch.setattr(drain_body, "MAX_SECONDS", 0.05)
    monkeypatch.setattr(drain_body, "MAX_BYTES", 2**62)
    served(Endless())


@pytest.mark.django_db
def test_a_query_django_refuses_before_it_has_a_request_is_a_400():
    from lunasite.wsgi import application

    environ = RequestFactory()._base_environ(
        PATH_INFO="/predict", REQUEST_METHOD="POST", QUERY_STRING="a=1&" * 300, CONTENT_TYPE="text/plain; charset=utf-8"
    )
    statuses = []
    answer = application(environ, lambda status, headers: statuses.append(status))
    assert statuses == ["400 Bad Request"]
    assert json.loads(b"".join(answer))["error_code"] == "MALFORMED_REQUEST"
