"""Downloads that go on: every form of Range and If-Range against one file (RFC 9110, 13 and 14)."""

import os

import pytest
from django.test import RequestFactory

from lunasite.http.files.ranges import ranged_file

BODY = bytes(range(256)) * 4096  # 1 MiB: several pieces
SHA256 = "ab" * 32
CHANGED, LATER = "Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:37 GMT"
END = len(BODY)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(BODY)
    os.utime(path, (784111777, 784111777))
    return path


def fetch(file, method="get", **headers):
    request = getattr(RequestFactory(), method)("/", headers=headers)
    response = ranged_file(request, file, "scans ü.zip", sha256=SHA256)
    return response, b"".join(
        getattr(response, "streaming_content", [response.content if not response.streaming else b""])
    )


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ("", 200, (0, END)),
        ("bytes=0-0", 206, (0, 1)),
        ("bytes=5-", 206, (5, END)),
        ("bytes=-7", 206, (END - 7, END)),
        (f"bytes=-{END + 5}", 206, (0, END)),
        (f"bytes={END - 3}-{END + 100}", 206, (END - 3, END)),
        ("bytes=300000-700000", 206, (300000, 700001)),  # over a piece's border
        (f"bytes={END}-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=9-5", 200, (0, END)),  # no range: ignored
        ("bytes=0-1,5-6", 200, (0, END)),  # several: the whole file is allowed
        ("lines=0-5", 200, (0, END)),
        ("bytes=-", 200, (0, END)),
    ],
)
def test_a_range_is_answered_with_exactly_its_bytes(file, asked, status, span):
    response, body = fetch(file, **({"Range": asked} if asked else {}))
    assert response.status_code == status
    if span is None:
        assert response["Content-Range"] == f"bytes */{END}"
        return
    assert body == BODY[slice(*span)]
    assert response["Content-Length"] == str(len(body))
    assert response.get("Content-Range") == (f"bytes {span[0]}-{span[1] - 1}/{END}" if status == 206 else None)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (f'"{SHA256}"', 206),
        (CHANGED, 206),
        (LATER, 200),
        ('"another"', 200),
        (f'W/"{SHA256}"', 200),  # a weak tag says too little for bytes
        ("nonsense", 200),
    ],
)
def test_a_changed_file_is_sent_whole_instead_of_a_range_of_another(file, if_range, status):
    response, body = fetch(file, **{"Range": "bytes=10-19", "If-Range": if_range})
    assert response.status_code == status
    assert body == (BODY[10:20] if status == 206 else BODY)


def test_who_has_the_file_is_told_so_and_nothing_is_ever_rendered(file):
    first, _ = fetch(file)
    assert (first["Accept-Ranges"], first["ETag"], first["Last-Modified"]) == ("bytes", f'"{SHA256}"', CHANGED)
    assert first["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert first["Content-Disposition"] == "attachment; filename*=utf-8''scans%20%C3%BC.zip"
    again, body = fetch(file, **{"If-None-Match": first["ETag"], "Range": "bytes=0-5"})
    assert (again.status_code, body) == (304, b"")


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999999",
        "Mon, 999999999999 Jan 2026 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +9999999999",
        "9" * 5000,
    ],
)
def test_a_date_that_no_calendar_has_gets_the_whole_file(file, date):
    response, body = fetch(file, range="bytes=0-0", if_range=date)
    assert (response.status_code, len(body)) == (200, END)
