"""Bodies that are not what they say: each is refused in the one error shape, never with a 500."""

import pytest

from inference.tests.conftest import lesion

pytestmark = pytest.mark.django_db
URL = "/api/v1/predict/lesion"
KIND = "multipart/form-data; boundary=x"


def part(name: str = "file", value: bytes = b"1", extra: str = "", **headers: str) -> bytes:
    lines = "".join(f"{key}: {text}\r\n" for key, text in headers.items())
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{lines}\r\n'.encode() + value + b"\r\n"


END = b"--x--\r\n"
BODIES = [
    (b"", KIND),
    (b"", ""),
    (b"x", "multipart/form-data"),
    (b"x", "multipart/form-data; boundary="),
    (b"x", "multipart/form-data; boundary=" + "y" * 500),
    (b"x", "multipart/form-data; boundary=\u00fc"),
    (b"x", KIND),
    (b"--x\r\n\r\n\r\n" + END, KIND),
    (part() , KIND),
    (part("file", b"x" * 100, '; filename="a.mha"'), KIND),
    (b"".join(part(f"f{i}") for i in range(300)) + END, KIND),
    (b"".join(part(f"f{i}", extra='; filename="a.mha"') for i in range(30)) + END, KIND),
    (part("note", b"x" * 3 * 2**20) + END, KIND),
    (part("lesionID", b"\xff\xfe") + END, KIND),
    (part("file\x00") + END, KIND),
    (part(extra='; filename="a.mha"', **{"Content-Transfer-Encoding": "base64"}) + END, KIND),
    (part(extra='; filename="a.mha"', **{"Content-Type": "text/plain; charset=klingon"}) + END, KIND),
    (part(extra="; filename*=klingon''a%00.mha") + END, KIND),
    (part(extra='; filename="' + "a" * 5000 + '.mha"') + END, KIND),
    (part(extra='; filename="\x00.mha"') + END, KIND),
    (b"a=1&" * 1000, "application/x-www-form-urlencoded"),
    (b"{", "application/json"),
    (b"x", "text/plain; charset=klingon"),
    (b"x", "\x00"),
    (b"x", "a" * 5000),
]  # fmt: skip


@pytest.mark.parametrize("url", [URL, "/predict", "/feedback", "/api/v1/predict/ct/batch"])
@pytest.mark.parametrize(("body", "kind"), BODIES, ids=range(len(BODIES)))
def test_a_strange_body_is_refused_in_the_one_shape(api, folders, url, body, kind):
    answer = api.generic("POST", url, body, content_type=kind)
    if url.endswith("batch") and answer.status_code == 200:  # each picture is refused on its own there
        assert [one["status"] for one in answer.json()["results"]] == ["error"]
        return
    assert answer.status_code in (400, 413, 415), answer.content
    assert set(answer.json()) == {"status", "error_code", "message", "details", "detail"}
    assert list((folders / "uploads").iterdir()) == []


@pytest.mark.parametrize("length", ["-1", "99999999999999999999", ""])
def test_a_strange_length_is_no_500(api, length):
    answer = api.generic("POST", URL, b"x", content_type=KIND, CONTENT_LENGTH=length)
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize(
    "name", ["../../x.mha", "<script>.mha", "a\u202eb.mha", "=1+1.mha", "\U0001f980.mha", "CON.MHA"]
)
def test_a_strange_file_name_changes_nothing(api, name):
    from inference.tests.conftest import scan_file

    assert api.post(URL, lesion(scan_file(name=name))).status_code == 200


@pytest.mark.parametrize("query", ["?page=-1", "?format=xml", "?x__regex=("])
def test_a_query_string_changes_nothing(api, query):
    assert api.post(URL + query, lesion()).status_code == 200


@pytest.mark.parametrize("method", ["head", "options", "trace"])
def test_other_methods_are_harmless(api, method):
    assert getattr(api, method)(URL).status_code in (200, 405)
