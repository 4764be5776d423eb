"""Bodies that are not what they say: each is refused in the one error shape, never with a 500."""

import io

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from inference.tests.conftest import lesion, picture_file

pytestmark = pytest.mark.django_db
URL = "/api/v1/predict/lesion"
KIND = "multipart/form-data; boundary=x"


def part(name: str = "file", value: bytes = b"1", extra: str = "", **headers: str) -> bytes:
    lines = "".join(f"{key}: {text}\r\n" for key, text in headers.items())
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{lines}\r\n'.encode() + value + b"\r\n"


END = b"--x--\r\n"
# A file all the same, under a name or a character set that nobody knows; what it holds is no picture.
WHOLE_FILES = [
    part(extra='; filename="a.mha"', **{"Content-Type": "text/plain; charset=klingon"}) + END,
    part(extra='; filename="\x00.mha"') + END,
]
CODES = {
    400: ("VALIDATION_ERROR", "INVALID_FILE_FORMAT", "FEEDBACK_EMPTY"),
    413: ("FILE_TOO_LARGE",),
    415: ("UNSUPPORTED_MEDIA_TYPE",),
}
BODIES = [
    (b"", KIND, 400),
    (b"", "", 400),
    (b"x", "multipart/form-data", 400),
    (b"x", "multipart/form-data; boundary=", 400),
    (b"x", "multipart/form-data; boundary=" + "y" * 500, 415),
    (b"x", "multipart/form-data; boundary=\u00fc", 400),
    (b"x", KIND, 400),
    (b"--x\r\n\r\n\r\n" + END, KIND, 400),
    (part(), KIND, 400),
    (part("file", b"x" * 100, '; filename="a.mha"'), KIND, 400),
    (b"".join(part(f"f{i}") for i in range(300)) + END, KIND, 400),
    (b"".join(part(f"f{i}", extra='; filename="a.mha"') for i in range(30)) + END, KIND, 400),
    (part("note", b"x" * 3 * 2**20) + END, KIND, 413),
    (part("lesionID", b"\xff\xfe") + END, KIND, 400),
    (part("file\x00") + END, KIND, 400),
    (part(extra='; filename="a.mha"', **{"Content-Transfer-Encoding": "base64"}) + END, KIND, 400),
    (WHOLE_FILES[0], KIND, 400),
    (part(extra="; filename*=klingon''a%00.mha") + END, KIND, 400),
    (part(extra='; filename="' + "a" * 5000 + '.mha"') + END, KIND, 400),
    (WHOLE_FILES[1], KIND, 400),
    (b"a=1&" * 1000, "application/x-www-form-urlencoded", 400),
    (b"{", "application/json", 415),
    (b"x", "text/plain; charset=klingon", 415),
    (b"x", "\x00", 415),
    (b"x", "a" * 5000, 415),
]  # fmt: skip


@pytest.mark.parametrize("url", [URL, "/predict", "/feedback", "/api/v1/predict/ct/batch"])
@pytest.mark.parametrize(("body", "kind", "status"), BODIES, ids=range(len(BODIES)))
def test_a_strange_body_is_refused_in_the_one_shape(api, folders, url, body, kind, status):
    answer = api.generic("POST", url, body, content_type=kind)
    if url.endswith("batch") and body in WHOLE_FILES:  # each picture is refused on its own there
        assert answer.status_code == 200
        assert [item["error_code"] for item in answer.json()["results"]] == ["INVALID_FILE_FORMAT"]
        return
    assert answer.status_code == status, answer.content
    assert answer.json()["error_code"] in CODES[status]
    assert set(answer.json()) == {"status", "error_code", "message", "details", "detail"}
    assert list((folders / "uploads").iterdir()) == []


def in_pieces(client, url, fields, **headers):
    """POST without a length, as clients do that stream: HTTP's chunked transfer, decoded by the server."""
    body = io.BytesIO(encode_multipart(BOUNDARY, fields))
    return client.generic(
        "POST", url, b"", content_type=MULTIPART_CONTENT, HTTP_TRANSFER_ENCODING="chunked",
        **{"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": "", **headers},
    )  # fmt: skip


def test_a_body_in_pieces_without_a_length_is_read(api, folders):
    assert in_pieces(api, URL, lesion()).json()["data"]["lesionID"] == 7
    assert in_pieces(api, "/predict", {"file": picture_file()}).status_code == 200


class Broken(io.BytesIO):
    def read(self, size=-1):
        raise OSError("the body was cut short")


@pytest.mark.parametrize("url", [URL, "/predict", "/feedback"])
def test_a_body_that_breaks_off_is_refused(api, folders, url):
    answer = in_pieces(api, url, {}, **{"wsgi.input": Broken()})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "VALIDATION_ERROR")


def test_a_body_in_pieces_ends_at_the_limit(api, folders, settings):
    settings.MAX_PICTURE_BYTES = 1000
    answer = in_pieces(api, "/predict", {"file": picture_file(b"x" * 5000)})
    assert (answer.status_code, answer.json()["error_code"]) == (413, "FILE_TOO_LARGE")
    assert list((folders / "uploads").iterdir()) == []


ENDINGS = [(URL, "FILE_ENDING"), ("/predict", "IMAGE_FORMAT"), ("/feedback", "REQUIRED")]


@pytest.mark.parametrize(("url", "reason"), ENDINGS)
def test_an_ending_of_any_length_is_refused_for_what_is_wrong_with_it(api, folders, url, reason):
    """The ending becomes part of a temporary file's name, where 255 bytes are the most."""
    body = part(extra='; filename="a.' + "b" * 250 + '"') + END
    answer = api.generic("POST", url, body, content_type=KIND)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, reason)
    assert list((folders / "uploads").iterdir()) == []


def test_an_ending_of_any_length_is_refused_in_its_row_of_a_batch(api, folders):
    body = part(extra='; filename="a.' + "b" * 250 + '"') + END
    answer = api.generic("POST", "/api/v1/predict/ct/batch", body, content_type=KIND)
    assert [row["details"]["reason"] for row in answer.json()["results"]] == ["IMAGE_FORMAT"]
    assert list((folders / "uploads").iterdir()) == []


LENGTHS = [
    ("-1", 400, "VALIDATION_ERROR"),
    ("99999999999999999999", 413, "FILE_TOO_LARGE"),
    ("", 400, "INVALID_FILE_FORMAT"),  # no length, no body, no file
]


@pytest.mark.parametrize(("length", "status", "code"), LENGTHS)
def test_a_strange_length_is_refused(api, length, status, code):
    answer = api.generic("POST", URL, b"x", content_type=KIND, CONTENT_LENGTH=length)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize(
    "name", ["../../x.mha", "<script>.mha", "a\u202eb.mha", "=1+1.mha", "\U0001f980.mha", "CON.MHA"]
)
def test_a_strange_file_name_changes_nothing(api, name):
    from inference.tests.conftest import scan_file

    assert api.post(URL, lesion(scan_file(name=name))).status_code == 200


@pytest.mark.parametrize("query", ["?page=-1", "?format=xml", "?x__regex=("])
def test_a_query_string_changes_nothing(api, query):
    assert api.post(URL + query, lesion()).status_code == 200


@pytest.mark.parametrize(("method", "status"), [("head", 405), ("options", 200), ("trace", 405)])
def test_other_methods_are_harmless(api, fake, method, status):
    assert getattr(api, method)(URL).status_code == status
    assert fake.seen == []


@pytest.mark.parametrize(
    ("url", "reason"), [(URL, "FILE_REQUIRED"), ("/predict", "FILE_REQUIRED"), ("/feedback", "FEEDBACK_EMPTY")]
)
def test_fields_without_a_file_are_told_what_is_missing(api, folders, url, reason):
    """Clients send these as application/x-www-form-urlencoded when they are given no file."""
    answer = api.generic("POST", url, "lesionID=1&coordX=2", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, reason)
