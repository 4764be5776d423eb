"""Pages kept for visitors: what makes one stale, who gets none, and that nobody's own page is kept."""

import re
import secrets
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard.tests import boards
from lunasite.http.page_cache import content_version as versions
from lunasite.http.page_cache import views
from lunasite.http.page_cache.pages import KeptPage, Pages
from lunasite.http.page_cache.views import PAGES, kept_for_visitors
from lunasite.http.page_cache.written_tables import changes_content, is_shown, written_table
from submissions.models import Challenge, Phase, Team
from submissions.outages import pauses
from submissions.phases.next_change import next_change
from submissions.tests import factories

KEPT = {"home": "/", "guide": "/guide/", "boards": "/leaderboards/", "board": "/leaderboards/lesions/",
        "history": "/leaderboards/lesions/history/", "phase": "/phases/lesions/"}  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ('INSERT INTO "submissions_phase" ("id") VALUES (%s)', "submissions_phase"),
        ("INSERT OR IGNORE INTO submissions_phase VALUES (1)", "submissions_phase"),
        ('UPDATE "submissions_team" SET "name" = %s', "submissions_team"),
        ('  update public."submissions_team" set name = 1', "submissions_team"),
        ('DELETE FROM "leaderboard_standing" WHERE 1', "leaderboard_standing"),
        ('TRUNCATE "submissions_team"', "submissions_team"),
        ('SELECT "a" FROM "submissions_team" FOR UPDATE', ""),
        ('SAVEPOINT "s1"', ""),
        ("RELEASE SAVEPOINT s1", ""),
    ],
)
def test_the_table_that_a_statement_writes_is_known(sql, table):
    assert written_table(sql) == table


@pytest.mark.parametrize(
    ("table", "shown"),
    [("leaderboard_standing", True), ("a_table_of_tomorrow", True), ("", False), ("django_session", False),
     ("submissions_evaluation", False), ("axes_accessattempt", False), ("auth_user", True)],
)  # fmt: skip
def test_a_table_is_public_content_unless_it_is_listed(table, shown):
    assert is_shown(table) is shown


def test_a_submission_without_a_score_changes_no_page(db):
    with CaptureQueriesContext(connection) as queries:
        submission = factories.make_submission()
    sent = [query["sql"] for query in queries if written_table(query["sql"]) == "submissions_submission"]
    assert [changes_content(sql) for sql in sent if sql.startswith("INSERT")] == [False]
    with CaptureQueriesContext(connection) as queries:
        type(submission).objects.update(is_hidden=True)
        Team.objects.update(served_at=timezone.now())
        Team.objects.update(name="new")
    assert [changes_content(query["sql"]) for query in queries] == [True, False, True]


def page(body=b"x", version="v", until=10.0):
    return KeptPage(version, until, body, {"ETag": '"e"'})


def test_a_page_is_kept_for_one_version_and_a_time():
    now = [0.0]
    pages = Pages(clock=lambda: now[0])
    pages.keep("home", page())
    assert pages.get("home", "v").body == b"x"
    assert pages.get("home", "w") is None
    assert pages.get("other", "v") is None
    now[0] = 10.0
    assert pages.get("home", "v") is None


def test_old_pages_make_room():
    pages = Pages(clock=lambda: 0.0, most_bytes=5)
    pages.keep("a", page(b"aa"))
    pages.keep("b", page(b"bb"))
    pages.get("a", "v")
    pages.keep("c", page(b"cc"))
    assert [pages.get(key, "v") is not None for key in "abc"] == [True, False, True]
    pages.keep("a", page(b"aaa"))  # the same page again counts once
    assert [pages.get(key, "v") is not None for key in "abc"] == [True, False, True]


# Who gets a kept page, and which answer may become one: a view of its own, and a version that stays.


@pytest.fixture
def steady(monkeypatch):
    PAGES.clear()
    monkeypatch.setattr(views, "content_version", lambda: "v1")
    monkeypatch.setattr(views, "_notices", [])


class Session:
    modified = False


def ask(view, path="/", **headers):
    request = RequestFactory().get(path, **headers)
    request.session = Session()
    return view(request)


def counting(answer=lambda request, n: HttpResponse(f"page {n}")):
    """A kept view that counts its calls in what it says."""
    calls = []

    @kept_for_visitors(lambda now: None)
    def view(request):
        calls.append(request)
        return answer(request, len(calls))

    return view


def test_a_visitor_gets_the_kept_page_and_may_ask_whether_it_is_current(steady):
    view = counting()
    first, again = ask(view), ask(view)
    assert (first.content, again.content) == (b"page 1", b"page 1")
    assert again["Cache-Control"] == "public, no-cache"
    assert {"Cookie", "HX-Request"} <= {name.strip() for name in again["Vary"].split(",")}
    current = ask(view, HTTP_IF_NONE_MATCH=again["ETag"])
    assert (current.status_code, current.content) == (304, b"")
    assert current["ETag"] == again["ETag"]
    assert ask(view, HTTP_IF_NONE_MATCH='"other"').status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_COOKIE": "sessionid=abc"},
        {"HTTP_COOKIE": "csrftoken=abc; messages=hello"},
        {"HTTP_COOKIE": "timezone=Asia/Tokyo"},
        {"HTTP_AUTHORIZATION": "Bearer abc"},
        {"REQUEST_METHOD": "HEAD"},
    ],
    ids=str,
)
def test_whoever_may_see_another_page_gets_no_kept_one(steady, headers):
    view = counting()
    ask(view)
    theirs = ask(view, **headers)
    assert theirs.content in (b"page 2", b"")
    assert "ETag" not in theirs
    assert "Cache-Control" not in theirs
    assert ask(view).content == b"page 1"


def test_a_csrf_cookie_alone_makes_nobody_of_a_visitor(steady):
    view = counting()
    assert [ask(view).content, ask(view, HTTP_COOKIE="csrftoken=abc").content] == [b"page 1"] * 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/?page=2", {}),
        ("/other", {}),
        ("/", {"HTTP_HX_REQUEST": "true"}),
        ("/", {"HTTP_HX_REQUEST": "true", "HTTP_HX_HISTORY_RESTORE_REQUEST": "true"}),
        ("/", {"HTTP_HX_BOOSTED": "true"}),
        ("/", {"HTTP_HOST": "localhost"}),
        ("/", {"wsgi.url_scheme": "https"}),
    ],
)
def test_a_page_is_kept_for_its_address_host_scheme_and_part(steady, path, headers):
    view = counting()
    ask(view)
    assert ask(view, path, **headers).content == b"page 2"
    assert ask(view, path, **headers).content == b"page 2"
    assert ask(view).content == b"page 1"


def with_session(request, n):
    request.session.modified = True
    return HttpResponse("for you")


def with_token(request, n):
    return HttpResponse(get_token(request))


def with_cookie(request, n):
    response = HttpResponse("for you")
    response.set_cookie("a", "b")
    return response


def embeddable(request, n):
    response = HttpResponse("elsewhere")
    response.xframe_options_exempt = True
    return response


@pytest.mark.parametrize(
    "answer",
    [
        with_session, with_token, with_cookie, embeddable,
        lambda request, n: HttpResponse("gone", status=404),
        lambda request, n: HttpResponse("json or not", headers={"Vary": "Accept"}),
        lambda request, n: HttpResponse("secret", headers={"Cache-Control": "no-store"}),
    ],
)  # fmt: skip
def test_an_answer_made_for_one_visitor_is_not_kept(steady, answer):
    view = counting(answer)
    response = ask(view)
    assert "ETag" not in response
    assert PAGES.get(views._key(RequestFactory().get("/")), "v1") is None


def test_every_page_depends_on_the_maintenance_notice(steady, monkeypatch):
    reason = [None]
    monkeypatch.setattr(views, "_notices", [lambda: reason[0]])
    view = counting()
    ask(view)
    reason[0] = ""
    assert ask(view).content == b"page 2"
    reason[0] = "disks"
    assert ask(view).content == b"page 3"


def test_a_page_is_kept_until_a_phase_opens_or_ends(steady, monkeypatch):
    found = {}
    monkeypatch.setattr(PAGES, "keep", lambda key, page: found.update(page=page))
    soon = timezone.now() + timedelta(seconds=5)
    ask(kept_for_visitors(lambda now: soon)(lambda request: HttpResponse("x")))
    assert 0 < found["page"].until - PAGES.clock() <= 5
    ask(kept_for_visitors(lambda now: timezone.now() + timedelta(days=1))(lambda request: HttpResponse("x")))
    assert 50 < found["page"].until - PAGES.clock() <= views.KEEP_S


def test_the_next_change_is_the_next_opening_or_end(db):
    now = timezone.now()
    assert next_change(now) is None
    hour = timedelta(hours=1)
    factories.make_phase(opens_at=now - 2 * hour, closes_at=now - hour)
    assert next_change(now) is None
    factories.make_phase(opens_at=now - hour, closes_at=now + 3 * hour)
    assert next_change(now) == now + 3 * hour
    factories.make_phase(opens_at=now + 2 * hour)
    assert next_change(now) == now + 2 * hour


# The version of the content.


@pytest.mark.parametrize(
    ("write", "changes"),
    [
        (lambda team: team.save(), True),
        (lambda team: Team.objects.filter(pk=team.pk).update(name="another"), True),
        (lambda team: Team.objects.bulk_create([Team(name=name, code=name) for name in [secrets.token_hex(4)]]), True),
        (lambda team: Team.objects.filter(pk=team.pk).delete(), True),
        (lambda team: connection.cursor().execute("UPDATE submissions_team SET name = 'b'"), True),
        (lambda team: list(Team.objects.select_for_update()), False),
        (lambda team: Client().session.save(), False),
    ],
)
def test_each_sort_of_write_gives_the_content_a_new_version(db, django_capture_on_commit_callbacks, write, changes):
    team = Team.objects.create(name="team", code="code-1")
    connection.run_on_commit.clear()  # the test's own transaction never commits
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        write(team)
        write(team)
    assert callbacks.count(versions.renew) == int(changes)


def test_a_version_is_new_each_time_and_none_is_told_inside_a_transaction(db):
    versions.renew()
    first = _token()
    versions.renew()
    assert _token() != first
    assert versions.content_version() is None


def _token():
    with connection.cursor() as cursor:
        return cursor.execute(versions.READ).fetchone()[0]


@pytest.mark.slow
def test_kept_pages_read_no_table_whose_changes_go_unnoticed(db, client):
    phase = boards.make_phase()
    boards.make_entry(phase, boards.make_team("Alveoli"), public=0.7)
    with CaptureQueriesContext(connection) as queries:
        assert {client.get(path).status_code for path in KEPT.values()} == {200}
    read = {table for query in queries for table in re.findall(r'(?:FROM|JOIN) "(\w+)"', query["sql"])}
    assert "leaderboard_standing" in read
    # A score is written with the board's rows; whether a worker is there is told to members only; calls are counted
    # where a page is made, and shown by none.
    unnoticed = {table for table in read if not is_shown(table)}
    assert unnoticed - {"submissions_evaluation"} <= {"submissions_worker", "submissions_incident", "http_callcount"}


# The real site, outside a transaction.


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_pages_of_the_site_are_kept_until_what_they_show_changes(client):
    PAGES.clear()
    phase = boards.make_phase()
    team = boards.make_team("Alveoli")
    boards.make_entry(phase, team, public=0.7)
    for name, path in KEPT.items():
        fresh, kept = client.get(path), client.get(path)
        assert kept.content == fresh.content
        assert kept["ETag"] == fresh["ETag"], name
        assert kept.context is None, f"{name} was rendered again"
    assert client.get("/leaderboards/lesions/", headers={"HX-Request": "true"}).content != kept.content
    assert b"Alveoli" in client.get(KEPT["board"]).content
    Team.objects.update(name="Bronchi")
    assert b"Bronchi" in client.get(KEPT["board"]).content
    boards.make_entry(phase, team, public=0.8)
    assert b"0.8000" in client.get(KEPT["board"]).content
    Phase.objects.update(title="Renamed")
    Challenge.objects.update(title="Renamed")
    assert all(b"Renamed" in client.get(KEPT[name]).content for name in ("home", "boards", "board", "history", "phase"))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_member_and_a_visitor_never_see_each_others_page(client):
    PAGES.clear()
    boards.make_phase()
    member = factories.make_user("mira")
    theirs = Client()
    theirs.force_login(member)
    for path in KEPT.values():
        visitors, members = client.get(path), theirs.get(path)
        assert b"Sign up" in visitors.content
        assert b"mira" in members.content
        assert members["Cache-Control"] == "private, no-store"
        assert "ETag" not in members
        assert b"mira" not in client.get(path).content
        stale = theirs.get(path, headers={"If-None-Match": visitors["ETag"]})
        assert b"mira" in stale.content
    pauses.pause("maintenance", reason="New disks.")
    pauses.forget()
    assert b"New disks." in client.get("/").content
