"""What every page promises: headers, hosts, redirects, CSRF, escaping.

Rows A12, A16 and A23, threats T47, T49, T54 and T55.
"""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import OperationalError
from django.template.loader import render_to_string
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from submissions.faults import ParticipantError
from submissions.models import Phase, Submission, Team
from submissions.tests.factories import csv_file, make_member, make_phase, make_submission, make_user

HOSTILE = ['"><img src=x onerror=alert(1)>{{7*7}}', "</script><script>alert(1)</script><svg onload=alert(1)>"]


def routes(patterns=None, prefix=""):
    """Return (name, path) of every route of the site, admin and allauth included."""
    found = []
    for entry in patterns if patterns is not None else get_resolver().url_patterns:
        path = prefix + re.sub(r"\^|\$|\\Z|\\A", "", str(entry.pattern))
        if isinstance(entry, URLResolver):
            found += routes(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            found.append((entry.name or path, path, entry.callback))
    return found


def filled(path):
    """Return an address of a route, with something plausible in place of its parameters."""
    path = re.sub(r"<uuid:[^>]+>", "00000000-0000-4000-8000-000000000000", path)
    path = re.sub(r"<int:[^>]+>", "1", path)
    path = re.sub(r"<[^>]+>", "x", path)
    path = re.sub(r"\(\?P<[^>]+>[^)]*\)|\(\?:[^)]*\)\??|\([^)]*\)", "x", path)
    return "/" + re.sub(r"[?*+\\]|\[[^\]]*\]", "", path)


@pytest.fixture
def ann(db):
    return make_member("ann", "Lung Ranger")


@pytest.mark.django_db
class TestHeaders:
    PAGES = ["/", "/accounts/login/", "/accounts/signup/", "/leaderboards/", "/nowhere", "/api/v1/phases"]

    @pytest.mark.parametrize("path", PAGES)
    def test_every_page_forbids_frames_inline_scripts_and_sniffing(self, client, path):
        answer = client.get(path)
        policy = answer["Content-Security-Policy"]
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy

    @pytest.mark.parametrize("path", ["/account/", "/team/", "/submissions/", "/accounts/2fa/", "/accounts/email/"])
    def test_the_pages_behind_the_login_too(self, client, ann, path):
        client.post("/accounts/login/", {"login": "ann", "password": "a-long-password"})
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200
        assert "unsafe" not in answer["Content-Security-Policy"]

    def test_cookies_are_for_this_site_only(self, client, ann):
        client.post("/accounts/login/", {"login": "ann", "password": "a-long-password"})
        session = client.cookies["sessionid"]
        assert session["httponly"]
        assert session["samesite"] == "Lax"

    @pytest.mark.slow
    def test_a_site_on_https_passes_djangos_deployment_check(self, tmp_path):
        environment = os.environ | {"SITE_URL": "https://lunasite.example.org", "DATA_DIR": str(tmp_path), "DEBUG": "0"}
        environment.pop("SECRET_KEY", None)
        check = [sys.executable, "manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING"]
        done = subprocess.run(check, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "no issues" in done.stdout


@pytest.mark.django_db
class TestHostsAndRedirects:
    @pytest.mark.parametrize("host", ["evil", "evil.example.org", "localhost.evil", "localhost:80@evil", ""])
    def test_a_foreign_host_is_refused_without_being_repeated(self, client, host):
        answer = client.get("/", headers={"host": host or "."})
        assert answer.status_code == 400
        assert b"evil" not in answer.content
        assert b"could not be read" in answer.content

    def test_the_api_says_so_in_its_own_shape(self, client):
        answer = client.get("/api/v1/phases", headers={"host": "evil"})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")

    @pytest.mark.parametrize(
        "target",
        [
            "//evil.example.org",
            "https://evil.example.org/",
            "http:evil",
            "javascript:alert(1)",
            "///evil",
            "/\\evil",
            "\\\\evil",
        ],
    )
    def test_signing_in_leads_nowhere_else(self, ann, target):
        form = {"login": "ann", "password": "a-long-password", "next": target}
        answer = Client().post("/accounts/login/", form)
        assert answer.status_code == 302
        assert answer["Location"] == "/"

    def test_signing_in_leads_back_to_where_one_was(self, ann):
        form = {"login": "ann", "password": "a-long-password", "next": "/team/"}
        assert Client().post("/accounts/login/", form)["Location"] == "/team/"


@pytest.mark.django_db
class TestCrossSiteRequests:
    """A12, T49: a form on another site cannot act for somebody signed in here."""

    # These take no session at all, or sign nobody in: nothing to forge.
    NEEDS_NO_SESSION = {"api_token", "earlier_login", "api_token_auth"}

    @pytest.mark.slow
    def test_every_address_that_takes_a_post_wants_the_csrf_token(self, ann):
        ann.is_staff = ann.is_superuser = True
        ann.save()
        client = Client(enforce_csrf_checks=True)
        client.force_login(ann)
        let_through = {
            (name, answer.status_code)
            for name, path, _ in routes()
            if name not in self.NEEDS_NO_SESSION
            and (answer := client.post(filled(path), {"a": "b"})).status_code not in (403, 404, 405)
        }
        # allauth's and our own address redirects answer before anything is read
        assert {item for item in let_through if item[1] not in (301, 302)} == set()

    def test_the_walk_above_meets_the_addresses_that_matter(self):
        names = {name for name, _, _ in routes()}
        assert {"submit_csv", "team_leave", "token_create", "api_submissions", "submission_cancel"} <= names

    def test_a_post_with_the_token_goes_through(self, ann):
        client = Client(enforce_csrf_checks=True)
        client.force_login(ann)
        client.get("/team/")
        token = client.cookies["csrftoken"].value
        assert client.post("/team/leave/", {"csrfmiddlewaretoken": token}).status_code == 302
        assert not Team.objects.exists()


@pytest.mark.django_db
class TestAdminIsForStaff:
    """A23: no page of the admin answers anybody else."""

    @pytest.mark.slow
    @pytest.mark.parametrize("who", ["anonymous", "participant"])
    def test_every_page_of_it(self, client, ann, who):
        if who == "participant":
            client.force_login(ann)
        pages = [filled(path) for _, path, _ in routes() if path.startswith("admin/")]
        statuses = {path: client.get(path).status_code for path in pages}
        assert len(statuses) > 50
        assert {path: status for path, status in statuses.items() if status not in (301, 302, 403, 404)} == {}

    def test_a_participant_is_not_shown_where_it_is(self, client, ann):
        client.force_login(ann)
        assert b'href="/admin/"' not in client.get("/").content


@pytest.mark.django_db
class TestEscaping:
    """T47: names, file names, comments and error texts are text everywhere, the admin included."""

    @pytest.fixture(params=HOSTILE)
    def stage(self, request):
        text = request.param
        user = make_member("eve", text[:80])
        phase = make_phase(title=text, description=f"{text}\n\n{text}")
        submission = make_submission(user=user, phase=phase, title=text, comment=text, model_version=text[:60])
        Submission.objects.filter(pk=submission.pk).update(original_name=text, ignored_columns=[text])
        return user, phase, submission

    def assert_escaped(self, client, path):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200, path
        page = answer.content.decode()
        for raw in ("<script>alert", "<img src=x", "<svg onload"):
            assert raw not in page, path
        assert ">49<" not in page

    @pytest.mark.slow
    def test_on_the_pages_of_its_team(self, client, stage):
        user, phase, submission = stage
        self.evaluate(submission)
        client.force_login(user)
        for path in self.pages(phase, submission):
            self.assert_escaped(client, path)

    @pytest.mark.slow
    def test_in_the_admin(self, client, stage):
        _user, phase, submission = stage
        self.evaluate(submission)
        client.force_login(make_user("root", is_staff=True, is_superuser=True))
        for path in self.pages(phase, submission):
            self.assert_escaped(client, path)
        for model in admin.site._registry:
            if model._meta.app_label in ("submissions", "auth"):
                for path in self.admin_pages(model):
                    self.assert_escaped(client, path)

    def admin_pages(self, model):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        if (row := model._default_manager.first()) is not None:
            yield reverse(f"{name}_change", args=[row.pk])

    @pytest.mark.slow
    def test_in_what_went_wrong(self, client, stage):
        from submissions.actions.evaluate import claim
        from submissions.actions.finish import fail

        user, _, submission = stage
        note = ParticipantError("BAD_RESPONSE", HOSTILE[0]).note
        fail(
            evaluation=claim(submission.latest.pk, HOSTILE[1]), code="BAD_RESPONSE", note=note, staff_detail=HOSTILE[0]
        )
        client.force_login(user)
        self.assert_escaped(client, f"/submissions/{submission.pk}/")

    def evaluate(self, submission):
        from submissions import actions

        actions.evaluate(evaluation_id=submission.latest.pk, worker="w")

    def pages(self, phase, submission):
        slug = phase.slug
        yield from ("/", "/submissions/", "/team/", "/account/", f"/phases/{slug}/", f"/submissions/{submission.pk}/")
        yield reverse("leaderboards")
        for name in ("leaderboard", "leaderboard_history", "leaderboard_compare"):
            yield reverse(name, args=[slug])


def test_no_template_marks_user_data_safe():
    """`safe` stands only where a form's own help text is shown; `autoescape off` nowhere."""
    folder = settings.BASE_DIR / "templates"
    found = [
        f"{path.relative_to(folder)}: {line.strip()}"
        for path in folder.rglob("*.html")
        for line in path.read_text().splitlines()
        if re.search(r"\|\s*safe\b|autoescape off|mark_safe", line) and "help_text|safe" not in line
    ]
    assert found == []


def test_no_template_holds_a_script_or_a_style():
    """The policy would block them: everything lies in static files. Mails are no pages and know no style sheet."""
    folder = settings.BASE_DIR / "templates"
    pattern = re.compile(r"<script(?![^>]*(\bsrc=|application/json))|<style|\sstyle=|\son[a-z]+=\"|javascript:", re.I)
    found = [
        f"{path.relative_to(folder)}: {line.strip()}"
        for path in folder.rglob("*.*")
        if folder / "mail" not in path.parents
        for line in path.read_text().splitlines()
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.slow
@pytest.mark.django_db
def test_a_form_cannot_set_what_is_not_its_own(client, ann):
    """A7, T46: fields named after columns change nothing."""
    other, phase = make_member(), make_phase()
    client.force_login(ann)
    stolen = {
        "team": other.membership.team.pk, "user": other.pk, "status": "completed", "is_baseline": "1", "score": "1",
        "try_counts": "", "created_at": "2000-01-01", "is_staff": "1", "limits": "{}", "file_key": "x",
    }  # fmt: skip
    answer = client.post(f"/phases/{phase.slug}/submit/", {"file": csv_file(), **stolen})
    assert answer.status_code == 302
    submission = Submission.objects.get()
    assert (submission.team, submission.user) == (ann.membership.team, ann)
    assert not submission.is_baseline
    assert submission.try_counts
    assert submission.limits
    assert submission.created_at.year > 2000
    assert submission.latest.status == "pending"
    ann.refresh_from_db()
    assert not ann.is_staff


@pytest.mark.django_db
def test_a_hidden_phase_is_nowhere(client, ann):
    phase = make_phase(title="Secret plan", is_hidden=True)
    client.force_login(ann)
    assert b"Secret plan" not in client.get("/").content
    for path in (
        f"/phases/{phase.slug}/",
        f"/phases/{phase.slug}/template.csv",
        reverse("leaderboard", args=[phase.slug]),
    ):
        assert client.get(path).status_code == 404
    assert Phase.objects.count() == 1


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_the_pages_of_last_resort_need_no_request_and_no_database(status):
    page = render_to_string(f"{status}.html")
    assert f">{status}<" in page
    assert 'href="/"' in page


@pytest.mark.django_db
class TestOurOwnFaults:
    """F13: pages answer 503 while the database is away, 500 for a mistake of ours, and show nothing of it."""

    def broken(self, client, monkeypatch, error, path):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr("submissions.models.phase.PhaseQuerySet.visible_to", fail)
        client.raise_request_exception = False
        return client.get(path)

    @pytest.mark.parametrize("path", ["/", "/api/v1/phases"])
    def test_the_database_is_away(self, client, monkeypatch, path):
        answer = self.broken(client, monkeypatch, OperationalError("connection to 10.0.0.7 refused"), path)
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert b"10.0.0.7" not in answer.content

    @pytest.mark.parametrize("path", ["/", "/api/v1/phases"])
    def test_a_mistake_of_ours(self, client, monkeypatch, path):
        answer = self.broken(client, monkeypatch, ValueError("/srv/secret"), path)
        assert answer.status_code == 500
        assert b"secret" not in answer.content
        assert b"Traceback" not in answer.content
