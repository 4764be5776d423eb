"""DRF's browsable API: to signed-in browsers alone, and under the site's own policy."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from lunasite.api_urls import LISTED
from submissions.accounts.tokens import create_token
from submissions.tests.factories import csv_file, evaluated, make_member, make_phase

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PATHS = [
    "/api/v1/", "/api/v1/phases/", "/api/v1/phases/p", "/api/v1/submissions/", "/api/v1/submissions/docker/",
    "/api/v1/uploads", "/api/v1/leaderboard?phase=p", "/api/v1/leaderboard/history?phase=p", "/api/v1/predict/lesion/",
    "/api/v1/predict/lesion/batch", "/api/v1/predict/ct", "/api/v1/predict/ct/batch", "/api/v1/feedback",
    "/api/v1/auth/token", "/api/v1/phases/p/check", "/api/v1/phases/nothing",
]  # fmt: skip


@pytest.fixture
def ann(db):
    return make_member("ann")


@pytest.fixture
def phase(db):
    return make_phase(slug="p", title="Warm-up")


@pytest.fixture
def browser(client, ann):
    client.force_login(ann)
    return client


def page_of(answer) -> str:
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    return answer.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_a_signed_in_browser_gets_a_page_that_the_policy_allows(browser, phase, path):
    answer = browser.get(path, headers=BROWSER)
    page = page_of(answer)
    assert answer.status_code in (200, 400, 404, 405)
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    # A block of data is no script that a policy would stop.
    assert re.findall(r"<script(?![^>]* src=)[^>]*>", page) == ['<script type="application/json" id="drf_csrf">']
    used = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(used) >= 10
    assert [name for name in used if not finders.find(name.removeprefix("/static/"))] == []
    others = set(re.findall(r'(?:href|src|action)="(?:https?:)?//([^/"]+)', page)) - {"testserver"}
    assert others == set()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_signed_in_program_gets_json(browser, phase, path, accept):
    answer = browser.get(path, headers={"Accept": accept} if accept else {})
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_in_a_browser_gets_json(client, phase, path):
    assert client.get(path, headers=BROWSER)["Content-Type"] == "application/json"


def test_whoever_sends_a_token_gets_json(browser, ann):
    token = create_token(user=ann, name="t")[1]
    answer = browser.get("/api/v1/submissions", headers={**BROWSER, "Authorization": f"Bearer {token}"})
    assert answer["Content-Type"] == "application/json"


FORMS = {
    "/api/v1/submissions": {"phase", "dataset_id", "file", "title", "comment", "model_version"},
    "/api/v1/submissions/docker": {"phase", "file", "upload", "contract", "model_endpoint", "adapter"},
    "/api/v1/predict/lesion": {"file", "rawFile", "seriesInstanceUID", "lesionID", "coordX", "coordY", "coordZ"},
    "/api/v1/phases/p/check": {"file"},
    "/api/v1/uploads": {"filename", "size", "sha256"},
}


@pytest.mark.slow
@pytest.mark.parametrize("path", FORMS)
def test_the_form_holds_the_fields_of_the_request(browser, phase, path):
    page = page_of(browser.get(path, headers=BROWSER))
    assert FORMS[path] <= set(re.findall(r'name="([A-Za-z_0-9]+)"', page))


@pytest.mark.slow
def test_a_csv_sent_by_the_form_is_submitted(ann, phase):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ann)
    page = page_of(browser.get("/api/v1/submissions", headers=BROWSER))
    hidden = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    fields = {"csrfmiddlewaretoken": hidden, "phase": "p", "file": csv_file()}
    answer = browser.post("/api/v1/submissions", fields, headers=BROWSER)
    assert answer.status_code == 201
    assert "HTTP 201 Created" in page_of(answer)
    without = browser.post("/api/v1/submissions", {"phase": "p", "file": csv_file()}, headers=BROWSER)
    assert without.status_code == 403


@pytest.mark.slow
def test_what_a_page_shows_is_escaped(browser, ann):
    phase = make_phase(slug="x", title="<script>alert(1)</script>", description="http://a.b/<img onerror=x>")
    evaluated(user=ann, phase=phase, title="<b onclick=1>")
    for path in ("/api/v1/phases/x", "/api/v1/submissions"):
        page = page_of(browser.get(path, headers=BROWSER))
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b onclick" not in page


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/"])
def test_the_root_lists_what_there_is(client, db, path):
    addresses = client.get(path).json()
    assert set(addresses) == set(LISTED)
    assert addresses["submissions"] == "http://testserver/api/v1/submissions"
    for address in addresses.values():  # each exists: it answers, or knows another method
        assert client.get(address).status_code != 404


@pytest.mark.slow
def test_the_root_lists_every_address_without_a_parameter(client, db):
    paths = json.loads(client.get("/api/v1/schema", headers={"Accept": "application/json"}).content)["paths"]
    listed = {address.removeprefix("http://testserver") for address in client.get("/api/v1/").json().values()}
    assert {path for path in paths if "{" not in path} - {"/api/v1", "/api/v1/"} <= listed


@pytest.mark.parametrize("path", ["/api/v1/schema", "/api/v1/schema/"])
@pytest.mark.slow
def test_a_browser_shows_the_schema(client, db, path):
    answer = client.get(path, headers=BROWSER)
    assert answer["Content-Type"] == "application/json"
    assert "attachment" not in answer.get("Content-Disposition", "")
    assert json.loads(answer.content)["openapi"].startswith("3.")


@pytest.mark.slow
def test_a_program_gets_the_schema_in_its_own_type(client, db):
    assert client.get("/api/v1/schema")["Content-Type"].startswith("application/vnd.oai.openapi")
