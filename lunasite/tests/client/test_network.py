"""Predictions by the client, and how it meets a site that is busy, redirects or breaks off."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inference.networks.answers import ServiceBusy
from inference.tests.conftest import fake, folders  # noqa: F401  fixtures
from inference.tests.samples import mha, picture

pytestmark = pytest.mark.slow

OK, REFUSED, USAGE, NOT_ALLOWED, UNREACHED, USED_UP = range(6)


@pytest.fixture
def files(tmp_path, fake, folders):  # noqa: F811
    (tmp_path / "scan.mha").write_bytes(mha())
    (tmp_path / "slice.png").write_bytes(picture())
    (tmp_path / "text.png").write_bytes(b"no picture")
    return tmp_path


def test_a_lesion_is_predicted(lunasite, files):
    done = lunasite("predict", "lesion", files / "scan.mha", "--at", "1", "2.5", "3", "--json")
    assert done.code == OK, done.err
    assert done.json["data"]["probability"] == 0.5
    assert lunasite("predict", "lesion", files / "scan.mha").code == USAGE
    outside = lunasite("predict", "lesion", files / "scan.mha", "--at", "9000", "0", "0", "--json")
    assert (outside.code, outside.json["details"]["reason"]) == (REFUSED, "POINT_OUTSIDE_SCAN")


def test_several_slices_are_answered_each_on_its_own(lunasite, files):
    assert lunasite("predict", "slice", files / "slice.png", "--json").json["pred_class"] == "adenocarcinoma"
    done = lunasite("predict", "slice", files / "slice.png", files / "text.png", "--json")
    assert done.code == REFUSED
    assert [result["status"] for result in done.json["results"]] == ["success", "error"]


def test_a_busy_site_is_asked_again_after_the_seconds_it_names(lunasite, files, fake, monkeypatch):  # noqa: F811
    calls = []

    def busy_once(path):
        calls.append(path)
        if len(calls) == 1:
            raise ServiceBusy(1)

    monkeypatch.setattr(fake, "_begin", busy_once)
    done = lunasite("predict", "slice", files / "slice.png", "--json")
    assert done.code == OK, done.err
    assert len(calls) == 2


DISTANT_CSV = "rank,team\r\n1,\u5317\u4eac\r\n".encode()
DISTANT_BOARD = {
    "metric": "auc",
    "rows": [
        {"rank": 1, "team": "\u5317\u4eac", "score": 0.5, "ci_low": None, "ci_high": None, "submitted_at": "today"}
    ],
}


def phases_of_page(is_last):
    """Of a site with 101 phases."""
    phase = {"is_open": True, "closes_at": None, "tries_left": None, "title": "Nodules"}
    numbers = [100] if is_last else range(100)
    rows = [{**phase, "slug": f"phase-{number}"} for number in numbers]
    return {"results": rows, "next": None if is_last else "more"}


class Odd(BaseHTTPRequestHandler):
    """A server that is no lunasite: a redirect, a page, an answer that breaks off, or a board with distant names."""

    seen: list[tuple[str, str]] = []

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        if self.path.startswith("/api"):
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        body = b"<html>hello</html>"
        if self.path.startswith("/distant"):
            body = DISTANT_CSV if "format=csv" in self.path else json.dumps(DISTANT_BOARD).encode()
        if self.path.startswith("/many"):
            body = json.dumps(phases_of_page("page=2" in self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 5000 * self.path.startswith("/cut")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def odd():
    Odd.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_token_follows_no_redirect(lunasite, odd):
    done = lunasite("phases", "--site", odd)
    assert done.code == UNREACHED
    assert "It leads to /elsewhere" in done.err
    assert [path for path, _ in Odd.seen] == ["/api/v1/phases?page_size=100"]


def test_an_address_that_is_not_a_lunasite_is_told(lunasite, odd):
    done = lunasite("phases", "--site", f"{odd}/other")
    assert done.code == UNREACHED
    assert "does not answer as a lunasite does" in done.err


def test_an_answer_that_breaks_off_is_a_fault_of_the_network(lunasite, odd):
    done = lunasite("phases", "--site", f"{odd}/cut")
    assert done.code == UNREACHED
    assert "broke off" in done.err
    assert "Traceback" not in done.err


def test_a_board_is_printed_where_its_names_cannot_be(lunasite, odd):
    """Into a file on Windows, whose encoding holds few letters."""
    done = lunasite("board", "luna", "--site", f"{odd}/distant", PYTHONIOENCODING="cp1252")
    assert done.code == OK, done.err
    assert "\\u5317\\u4eac" in done.out


def test_a_board_as_csv_is_what_the_site_sent(lunasite, odd):
    done = lunasite("board", "luna", "--csv", "--site", f"{odd}/distant", PYTHONIOENCODING="cp1252")
    assert done.code == OK, done.err
    assert done.out == DISTANT_CSV.decode().replace("\r\n", "\n")  # as the test reads lines


def test_all_phases_are_listed_however_many_pages_they_fill(lunasite, odd):
    done = lunasite("phases", "--site", f"{odd}/many", "--json")
    assert done.code == OK, done.err
    assert [phase["slug"] for phase in done.json] == [f"phase-{number}" for number in range(101)]
