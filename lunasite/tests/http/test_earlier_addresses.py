"""Clients of earlier systems: the lines of docs/api.md against a live server, and what each address answers to whom."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import requests
from django.test import Client
from rest_framework.test import APIClient

from submissions.accounts.tokens import create_token
from submissions.models import Submission
from submissions.tests.factories import csv_bytes, csv_file, evaluated, make_member, make_phase
from submissions.tests.image_archives import docker_archive
from submissions.tests.sent_images import image

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
PASSWORD = "a-long-password"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CURL_ACCEPT = "*/*"


def lines_of(kind: str, language: str) -> list[str]:
    block = re.search(rf"<!-- earlier addresses: {kind} -->\n\n```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert block, kind
    return block[1].splitlines()


CURL, REQUESTS = lines_of("curl", "sh"), lines_of("requests", "python")
EARLIER = {"/auth/login", "/api-token-auth", "/submissions", "/submissions/docker", "/leaderboard"}


@pytest.fixture
def ann(db):
    return make_member("ann")


@pytest.fixture
def phase(db):
    return make_phase(slug="luna25")


@pytest.fixture
def token(ann):
    return create_token(user=ann, name="t")[1]


@pytest.fixture
def api(token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


@pytest.mark.parametrize("lines", [CURL, REQUESTS])
def test_the_page_has_a_line_for_each_address(lines):
    assert {re.search(r"SITE\}?(/[a-z/-]*[a-z])", line)[1] for line in lines} == EARLIER
    assert len(lines) == len(EARLIER) + 1  # submissions are sent and listed


@pytest.mark.django_db(transaction=True)
class TestPrintedLines:
    """Each line as docs/api.md prints it; 1 is the number of the example's phase."""

    @pytest.fixture
    def folder(self, tmp_path, phase, ann):
        (tmp_path / "predictions.csv").write_bytes(csv_bytes())
        (tmp_path / "image.tar").write_bytes(docker_archive())
        # curl then ends with 22 on an error
        (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
        evaluated(user=ann, phase=phase)
        return tmp_path

    def of_this_phase(self, line: str, phase) -> str:
        """Name the phase of this test where the page names number 1: a test database goes on counting."""
        return re.sub(r'(dataset_id(?:=|": ))1\b', rf"\g<1>{phase.pk}", line)

    @pytest.mark.slow
    @pytest.mark.parametrize("line", CURL)
    def test_curl(self, live_server, folder, phase, token, line):
        env = {"SITE": live_server.url, "NAME": "ann", "PASSWORD": PASSWORD, "TOKEN": token, "CURL_HOME": str(folder)}
        command = ["sh", "-c", self.of_this_phase(line, phase)]
        done = subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"], **env}, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        self.check(line, json.loads(done.stdout))

    @pytest.mark.slow
    @pytest.mark.parametrize("line", REQUESTS)
    def test_requests(self, live_server, folder, phase, token, line, monkeypatch):
        monkeypatch.chdir(folder)
        headers = {"Authorization": f"Token {token}"}
        names = {"requests": requests, "SITE": live_server.url, "NAME": "ann", "PASSWORD": PASSWORD, "TOKEN": headers}
        answer = eval(self.of_this_phase(line, phase), names)
        assert answer.status_code in (200, 201), answer.text
        assert answer.history == []
        self.check(line, answer.json())

    def check(self, line: str, answer: dict) -> None:
        """Assert that a line did what it is printed for."""
        if "api-token-auth" in line:
            assert set(answer) == {"token"}
        elif "auth/login" in line:
            assert set(answer) == {"token", "name", "expires_at"}
        elif "leaderboard" in line:
            assert answer["phase"] == "luna25"
            assert answer["metric"] == ("accuracy" if "acc" in line else "auc")
            assert len(answer["rows"]) == 1
        elif "file" in line:
            assert Submission.objects.get(pk=answer["id"]).phase.slug == "luna25"
            assert answer["submission_type"] == ("docker" if "docker" in line else "csv")
        else:
            assert answer["count"] == 1


PAGES = {"/submissions": "<title>", "/leaderboard": "<title>", "/auth/login": "<title>"}


@pytest.mark.parametrize("slash", ["", "/"])
class TestWhoGetsAPage:
    @pytest.mark.parametrize("path", PAGES)
    def test_a_browser(self, db, path, slash):
        client = Client()
        if path == "/submissions":
            client.force_login(make_member())
        answer = client.get(f"{path}{slash}", headers={"Accept": BROWSER})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/html")
        assert "Accept" in answer["Vary"]

    @pytest.mark.parametrize("path", ["/submissions", "/leaderboard?dataset_id=luna25"])
    @pytest.mark.parametrize("accept", ["", CURL_ACCEPT, "application/json", "text/plain, */*"])
    def test_everything_else_gets_json(self, api, phase, path, slash, accept):
        path, _, query = path.partition("?")
        answer = api.get(f"{path}{slash}?{query}", **({"HTTP_ACCEPT": accept} if accept else {}))
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json"

    def test_a_browser_at_one_board(self, client, phase, slash):
        answer = client.get(f"/leaderboard{slash}?dataset_id={phase.pk}&metric=ACC", headers={"Accept": BROWSER})
        assert answer.status_code == 200
        assert "A phase" in answer.content.decode()

    def test_a_stranger_in_a_browser_is_led_to_the_login(self, client, db, slash):
        answer = client.get(f"/submissions{slash}", headers={"Accept": BROWSER})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["/submissions", "/submissions/", "/submissions/docker", "/submissions/docker/"])
class TestAPostThatStoresNothing:
    def sent(self, client, path, phase, **more):
        file = image() if "docker" in path else csv_file()
        return client.post(path, {"dataset_id": phase.slug, "file": file}, **more)

    @pytest.mark.parametrize("accept", ["", CURL_ACCEPT, BROWSER])
    def test_without_a_token_is_a_401(self, phase, path, accept):
        client = Client(enforce_csrf_checks=True)
        answer = self.sent(client, path, phase, **({"HTTP_ACCEPT": accept} if accept else {}))
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORIZED")
        assert not Submission.objects.exists()

    def test_with_a_session_but_no_csrf_token_is_a_403(self, phase, ann, path):
        client = Client(enforce_csrf_checks=True)
        client.force_login(ann)
        answer = self.sent(client, path, phase)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")
        assert not Submission.objects.exists()

    @pytest.mark.parametrize("accept", [CURL_ACCEPT, BROWSER])
    def test_over_http_is_a_403_where_the_site_wants_https(self, phase, settings, path, accept):
        settings.SECURE_SSL_REDIRECT = True
        answer = self.sent(Client(), path, phase, HTTP_ACCEPT=accept)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "HTTPS_REQUIRED")

    @pytest.mark.parametrize("named", ["", "nothing", "999999999", "9" * 30, "luna 25"])
    def test_to_no_phase_is_a_400(self, api, phase, path, named):
        answer = api.post(path, {"dataset_id": named, "file": image() if "docker" in path else csv_file()})
        assert answer.status_code == 400
        assert not Submission.objects.exists()

    def test_of_no_file_is_a_400(self, api, phase, path):
        assert api.post(path, {"dataset_id": phase.pk}).status_code == 400


def test_a_programs_post_to_a_pages_address_is_a_401_and_a_browsers_a_page_that_says_so(client, phase):
    for path in (f"/phases/{phase.slug}/submit/", f"/phases/{phase.slug}/submit-image", "/team/create/"):
        answer = client.post(path, {"file": csv_file()}, headers={"Accept": CURL_ACCEPT})
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORIZED"), path
        page = client.post(path, {"file": csv_file()}, headers={"Accept": BROWSER})
        assert page.status_code == 401, path
        assert b"You are no longer signed in" in page.content


@pytest.mark.parametrize("name", ["pk", "slug"])
class TestAPhaseByNumber:
    @pytest.mark.slow
    def test_everywhere(self, api, phase, ann, name):
        evaluated(user=ann, phase=phase)
        named = getattr(phase, name)
        assert api.get(f"/api/v1/phases/{named}").json()["slug"] == "luna25"
        assert api.get(f"/api/v1/phases/{named}/template").status_code == 200
        assert api.post(f"/api/v1/phases/{named}/check", {"file": csv_file()}).status_code == 200
        for parameter in ("phase", "dataset_id"):
            assert api.get("/api/v1/submissions", {parameter: named}).json()["count"] >= 1
            assert api.get("/submissions", {parameter: "luna26"}).json()["count"] == 0
            assert api.get("/api/v1/leaderboard", {parameter: named}).json()["phase"] == "luna25"
            answer = api.get("/api/v1/leaderboard/history", {parameter: named})
            assert answer.json()["phase"] == "luna25"
            sent = api.post("/api/v1/submissions", {parameter: named, "file": csv_file()})
            assert (sent.status_code, sent.json()["phase"]) == (201, "luna25")


def test_a_slug_of_digits_comes_before_a_number(api, phase):
    digits = make_phase(slug=str(phase.pk), title="Digits")
    assert api.get(f"/api/v1/phases/{phase.pk}").json()["title"] == "Digits"
    assert api.get(f"/api/v1/phases/{digits.pk}").json()["title"] == "Digits"


def test_a_hidden_phase_has_no_number_for_others(api, db):
    hidden = make_phase(is_hidden=True)
    assert api.get(f"/api/v1/phases/{hidden.pk}").status_code == 404
    assert api.get("/leaderboard", {"dataset_id": hidden.pk}).status_code == 404
    assert api.post("/submissions", {"dataset_id": hidden.pk, "file": csv_file()}).status_code == 400


@pytest.mark.parametrize(
    ("metric", "name"), [("AUC", "auc"), ("acc", "accuracy"), ("ACC", "accuracy"), ("Brier", "brier"), ("", "auc")]
)
def test_a_metric_is_known_in_any_case(client, phase, metric, name):
    assert client.get("/leaderboard", {"dataset_id": "luna25", "metric": metric}).json()["metric"] == name


def test_a_number_in_json_names_a_phase_too(api, phase, settings):
    answer = api.post("/submissions/docker", {"dataset_id": phase.pk}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "FILE_REQUIRED")


@pytest.mark.parametrize("path", ["/auth/login", "/auth/login/", "/api-token-auth", "/api-token-auth/"])
def test_a_wrong_password_is_a_401_in_json(ann, path):
    answer = Client(enforce_csrf_checks=True).post(path, {"username": "ann", "password": "wrong"})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORIZED")


def test_failed_logins_lock_in_json(ann, settings):
    settings.AXES_FAILURE_LIMIT = 2
    answers = [Client().post("/auth/login", {"username": "ann", "password": "wrong"}) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error_code"] == "TOO_MANY_ATTEMPTS"
