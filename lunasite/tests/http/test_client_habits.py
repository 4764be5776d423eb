"""Bodies as client libraries send them by mistake: each is told what happened, and what is usual is read."""

import gzip
import io
import json
import time
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from lunasite.http.multipart import CUT_OFF, NO_PART, NOT_UTF8_NAME
from lunasite.http.parsers import _Watched
from submissions.accounts.tokens import create_token
from submissions.tests.factories import make_member, make_phase
from submissions.tests.image_archives import docker_archive

pytestmark = pytest.mark.django_db
TOKEN_URL, CHECK_URL, LESION_URL = "/api/v1/auth/token", "/api/v1/phases/les/check", "/api/v1/predict/lesion"
FORM_URLS = (CHECK_URL, "/api/v1/submissions", "/api/v1/submissions/docker", LESION_URL, "/predict", "/feedback")
LARGE = 3 * 2**20


@pytest.fixture
def api() -> Client:
    user = make_member()
    make_phase(slug="les", title="Lesions")
    return Client(headers={"Authorization": f"Bearer {create_token(user=user, name='t')[1]}"})


def sent(api: Client, url: str, body: bytes, content_type: str = MULTIPART_CONTENT, **headers: str) -> tuple[int, str]:
    answer = api.generic("POST", url, body, content_type=content_type, headers=headers)
    return answer.status_code, answer.json()["message"]


def form(**fields: object) -> bytes:
    return encode_multipart(BOUNDARY, fields)


@pytest.mark.parametrize("url", FORM_URLS)
@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)]
)
def test_a_compressed_body_is_called_that(api, url, name, pack):
    """As aiohttp sends it with compress=True."""
    status, message = sent(api, url, pack(form(file="x")), **{"Content-Encoding": name})
    assert (status, f"Content-Encoding: {name.lower()}): send it uncompressed" in message) == (415, True)


@pytest.mark.parametrize("body", [b'{"username": "a"}', b"username=a"])
def test_compressed_text_is_called_that_too(api, body):
    content_type = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    status, message = sent(api, TOKEN_URL, gzip.compress(body), content_type, **{"Content-Encoding": "gzip"})
    assert (status, "send it uncompressed" in message) == (415, True)


@pytest.mark.parametrize("name", ["identity", "utf-8", ""])
@pytest.mark.slow
def test_a_header_that_names_no_compression_changes_nothing(api, name):
    body = b'{"username": "nobody", "password": "x"}'
    assert sent(api, TOKEN_URL, body, "application/json", **{"Content-Encoding": name})[0] == 401


@pytest.mark.parametrize("url", FORM_URLS)
def test_a_boundary_copied_from_a_browser_is_named(api, url):
    copied = "multipart/form-data; boundary=----WebKitFormBoundaryabc"
    status, message = sent(api, url, form(file="x", phase="les"), copied)
    assert (status, message) == (400, NO_PART)


@pytest.mark.parametrize("url", FORM_URLS)
@pytest.mark.parametrize(("size", "status"), [(10, 400), (LARGE, 413)])
def test_a_file_without_a_name_is_told_to_have_one(api, url, size, status):
    """As Spring sends a ByteArrayResource, and axios a Buffer: without a file name a part is text."""
    answer = sent(api, url, form(phase="les", file="x" * size))
    assert (answer[0], "give the" in answer[1] and "file name" in answer[1]) == (status, True), answer
    assert "smaller" not in answer[1]


def test_a_form_with_too_large_files_is_still_called_too_large(api, monkeypatch):
    from django.core.files.uploadedfile import SimpleUploadedFile

    from lunasite.http.limits import upload_handlers

    monkeypatch.setattr(upload_handlers, "MAX_BYTES", 1000)
    body = form(username="a", extra=SimpleUploadedFile("a.bin", bytes(2000)))
    assert sent(api, TOKEN_URL, body) == (413, "The request is larger than this site takes; send a smaller file.")


@pytest.mark.parametrize("url", [CHECK_URL, "/api/v1/submissions"])
def test_of_two_files_none_is_taken(api, url):
    from django.core.files.uploadedfile import SimpleUploadedFile

    files = [SimpleUploadedFile(name, b"id,probability\n") for name in ("a.csv", "b.csv")]
    status, message = sent(api, url, form(phase="les", file=files))
    assert (status, message) == (400, "file: Send one file: it is unclear which of them counts.")


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
def test_json_may_begin_with_a_byte_order_mark(api, mark):
    body = json.dumps({"username": "nobody", "password": "x"}).encode(mark)
    assert sent(api, TOKEN_URL, body, "application/json") == (401, "User name or password is wrong.")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_json_in_another_encoding_is_called_that(api, encoding):
    body = '{"username": "Müller", "password": "x"}'.encode(encoding)
    assert sent(api, TOKEN_URL, body, "application/json") == (400, "The JSON is not UTF-8: encode it as UTF-8.")


@pytest.mark.parametrize(("method", "url", "taken"), [("PUT", LESION_URL, "POST"), ("PATCH", "/predict", "POST"),
                         ("GET", TOKEN_URL, "POST"), ("DELETE", "/api/v1/submissions", "GET and POST")])  # fmt: skip
def test_another_method_is_told_which_is_taken(api, method, url, taken):
    answer = api.generic(method, url)
    assert answer.status_code == 405
    assert answer.json()["message"].startswith(f"This address takes {taken}, not {method}:")


def test_json_without_its_content_type_is_told_to_name_it(api):
    status, message = sent(api, TOKEN_URL, b'{"username": "a"}', "text/plain")
    assert (status, "let Content-Type say which" in message) == (415, True)


@pytest.mark.parametrize("url", FORM_URLS)
@pytest.mark.parametrize("before", [0, 2**16 - 90, 2**16 - 60, 2 * 2**16])
def test_a_file_name_in_another_encoding_is_called_that(api, url, before):
    """As curl on Windows sends it; the head may lie across two reads of the body."""
    upload = SimpleUploadedFile("L\u00f6sung.csv", b"seriesuid,probability\r\n")
    good = encode_multipart(BOUNDARY, {"note": "x" * before, "file": upload})
    assert sent(api, url, good)[1] != NOT_UTF8_NAME
    status, message = sent(api, url, good.replace("\u00f6".encode(), "\u00f6".encode("cp1252")))
    assert (status, message) == (400, NOT_UTF8_NAME)


def upload(url: str, **fields: object) -> bytes:
    """Return a body with a file that the address would begin to take."""
    name, content = ("a.tar", docker_archive()) if "docker" in url else ("a.csv", b"seriesuid,probability\r\n" * 20000)
    return form(**fields, file=SimpleUploadedFile(name, content))


@pytest.mark.parametrize("url", FORM_URLS)
@pytest.mark.parametrize("left_out", [len(f"\r\n--{BOUNDARY}--\r\n"), len("--\r\n"), 2000])
def test_a_body_that_ends_within_its_file_is_called_cut_off(api, url, left_out):
    """The request is whole by its Content-Length: a client closed its file early, or writes no closing boundary."""
    status, message = sent(api, url, upload(url, phase="les")[:-left_out])
    assert (status, message) == (400, CUT_OFF)


@pytest.mark.parametrize("url", FORM_URLS)
def test_a_text_that_is_cut_off_is_not_taken_for_whole(api, url):
    body = upload(url)[: -len("--\r\n")] + form(phase="les")[len(f"--{BOUNDARY}") :]
    assert sent(api, url, body[: body.rindex(b"les") + 1]) == (400, CUT_OFF)


@pytest.mark.parametrize("url", FORM_URLS)
@pytest.mark.parametrize("end", [b"--", b"--\r\nwhat follows is no part of it", b"\r\n", b"-"])
@pytest.mark.slow
def test_a_body_that_ends_with_a_boundary_is_whole(api, url, end):
    """A closing boundary without its last hyphens is taken as ever: every part before it is there."""
    body = upload(url).removesuffix(b"--\r\n")  # without a phase, so that nothing is stored
    assert sent(api, url, body + end) == sent(api, url, body + b"--\r\n")
    assert sent(api, url, body + end)[1] != CUT_OFF


@pytest.mark.parametrize("url", FORM_URLS)
def test_the_case_of_a_media_type_means_nothing(api, url):
    odd = f"Multipart/Form-Data; Boundary={BOUNDARY}"
    assert sent(api, url, upload(url), odd) == sent(api, url, upload(url))


@pytest.mark.parametrize("url", [*FORM_URLS, TOKEN_URL])
@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.slow
def test_the_case_means_nothing_for_json_and_fields_either(api, url, media_type):
    body = b'{"username": "nobody", "password": "x"}' if "json" in media_type else b"username=nobody&password=x"
    assert sent(api, url, body, media_type.upper()) == sent(api, url, body, media_type)
    assert url != TOKEN_URL or sent(api, url, body, media_type.title()) == (401, "User name or password is wrong.")


def test_the_case_means_nothing_for_a_browser_with_a_session():
    """Its CSRF token is read from the body by Django's own parser, before REST framework's."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_member())
    make_phase(slug="les", title="Lesions")
    client.cookies["csrftoken"] = "c" * 32
    odd = f"Multipart/Form-Data; boundary={BOUNDARY}"
    body = form(csrfmiddlewaretoken="c" * 32, phase="les")
    assert sent(client, "/api/v1/submissions", body, odd) == (400, "file: Send the file as the part `file`.")


def at(client: Client, path: str, method: str = "GET", **more: object):
    """Send a request to a path as it stands; the test client would take `//api` for a host."""
    return client.generic(method, "/", more.pop("data", b""), PATH_INFO=path, **more)


@pytest.mark.parametrize("url", [*FORM_URLS, "/apitest/v1/predict/lesion", "/submissions/docker"])
@pytest.mark.slow
def test_doubled_slashes_are_merged_for_a_program(api, url):
    """As a client makes them that adds "/api/v1/…" to an address that ends with a slash."""
    body = upload(url)
    wanted = api.generic("POST", url, body, content_type=MULTIPART_CONTENT)
    for path in (f"/{url}", f"//{url}/", url.replace("/", "//"), f"{url}//"):
        got = at(api, path, "POST", data=body, content_type=MULTIPART_CONTENT)
        assert (got.status_code, got.json()) == (wanted.status_code, wanted.json()), path


def test_what_a_list_links_to_has_no_doubled_slash(api):
    for number in range(3):
        make_phase(slug=f"p{number}", title=f"P{number}")
    answer = at(api, "//api/v1//phases", QUERY_STRING="page_size=1").json()
    assert answer["next"] == "http://testserver/api/v1/phases?page=2&page_size=1"


@pytest.mark.parametrize("path", ["//api/v1/nothing", "/api//v1/nothing", "//api//", "//predict/nothing"])
def test_an_unknown_address_with_a_doubled_slash_is_a_404_as_json(api, path):
    answer = at(api, path, "POST")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


def test_health_has_doubled_slashes_merged_and_metrics_has_not():
    """A proxy closes /metrics by its address."""
    assert at(Client(), "//health").status_code == 200
    assert at(Client(), "//metrics").status_code == 404


@pytest.mark.parametrize("path", ["//other.example/api/v1", "//other.example/", "//other.example"])
def test_a_doubled_slash_leads_to_no_other_host(path):
    answer = at(Client(), path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers.get("Location")) == (404, None)


def test_a_file_of_part_heads_is_looked_through_once():
    """The name of a file is looked for from a line's beginning: 64 KB of these words took seconds, each of the body."""
    heads = b"content-disposition:" * 3200 + b" filename=x"
    started = time.process_time()
    watched = _Watched(io.BytesIO(b"--b\r\n" + heads), b"b")
    watched.read()
    assert time.process_time() - started < 0.3
    assert not watched.has_foreign_name
