"""Each dear page × everybody who may ask: beyond its rate the answer is 429, with a sentence and when to come back."""

import re

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from leaderboard import export
from lunasite.http.limits.dear_work import MARK, MAX_S, one_at_a_time
from lunasite.http.limits.throttling import key_of, take
from lunasite.http.models import CallCount
from lunasite.tests.test_routes import MATRIX, ROLES, address, world  # noqa: F401  a fixture
from submissions.tests.factories import evaluated, make_phase

pytestmark = pytest.mark.django_db
# Pages of which each call is counted (THROTTLE_PAGES).
PACED = (
    "search", "csv_template", "samples_file", "submission_report", "submission_cases", "submission_case",
    "submission_differences", "starter_kit", "leaderboard_history", "embed", "badge", "api_phases", "api_phase",
    "api_template", "api_samples", "api_leaderboard", "api_leaderboard_history", "api_full_report", "api_trial",
)  # fmt: skip
# What is made anew at each first call (THROTTLE_DEAR); a test is one transaction, so nothing of a board is kept.
DEAR = ("leaderboard_export", "api_leaderboard", "account_export", "review_zip")


def limit(monkeypatch, scope):
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    monkeypatch.setitem(rates, scope, "1/day")
    monkeypatch.setattr("rest_framework.throttling.ScopedRateThrottle.THROTTLE_RATES", rates | {scope: "1/day"})


def ask(name, client, world):  # noqa: F811
    row = MATRIX[name]
    headers = {"Accept": row.accept} if row.accept else {}
    return getattr(client, row.method)(address(name, world) + row.query, headers=headers)


@pytest.mark.parametrize(
    ("name", "scope"), [(name, "pages") for name in PACED] + [(name, "dear") for name in DEAR], ids=str
)
@pytest.mark.slow
def test_everybody_who_may_ask_is_counted_alone(world, monkeypatch, name, scope):  # noqa: F811
    limit(monkeypatch, scope)
    asked = 0
    for role in ROLES:
        if getattr(MATRIX[name], role) != 200:
            continue
        client, user = Client(), world["users"][role]
        if user:
            client.force_login(user)
        elif CallCount.objects.exists():
            CallCount.objects.all().delete()
        if name in ("embed", "badge"):  # they know no person, only the network
            CallCount.objects.all().delete()
        assert ask(name, client, world).status_code == 200, role
        refused = ask(name, client, world)
        assert refused.status_code == 429, role
        assert int(refused["Retry-After"]) > 1000
        assert re.search("often|Too many", refused.content.decode())
        asked += 1
    assert asked


@pytest.mark.slow
def test_a_board_in_another_order_is_counted_and_the_board_itself_is_not(client, monkeypatch):
    make_phase(slug="p")
    limit(monkeypatch, "pages")
    assert [client.get("/leaderboards/p/?sort=team").status_code for _ in range(2)] == [200, 429]
    assert [client.get("/leaderboards/p/").status_code for _ in range(2)] == [200, 200]


def test_who_waits_for_a_page_gets_no_second_one_beside_it(client):
    make_phase(slug="p")
    with one_at_a_time("network:127.0.0.1"):
        refused = client.get("/leaderboards/p/leaderboard.csv")
    assert refused.status_code == 429
    assert "still being computed" in refused.content.decode()
    assert client.get("/leaderboards/p/leaderboard.csv").status_code == 200


def test_a_mark_lies_where_no_other_page_can_push_it_out(client):
    """The cache drops its oldest entries, so a stranger with many pages could push a mark out."""
    make_phase(slug="p")
    with one_at_a_time("network:127.0.0.1"):
        cache.clear()
        assert client.get("/leaderboards/p/leaderboard.csv").status_code == 429


def test_a_mark_of_a_process_that_ended_holds_two_minutes_at_most(client):
    assert MAX_S <= 120
    take(key_of(MARK, "network:127.0.0.1"), 1, MAX_S, 0.0)  # long ago
    make_phase(slug="p")
    assert client.get("/leaderboards/p/leaderboard.csv").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_board_is_written_once_until_something_of_it_changes(client, monkeypatch):
    phase = make_phase(slug="p")
    evaluated(phase=phase)
    written = []
    real = export.board_csv
    monkeypatch.setattr(export, "board_csv", lambda board, rows: written.append(1) or real(board, rows))
    answers = [client.get("/leaderboards/p/leaderboard.csv").content for _ in range(3)]
    answers.append(client.get("/api/v1/leaderboard?phase=p&format=csv").content)
    assert (len(written), len(set(answers))) == (1, 1)
    evaluated(phase=phase, title="Another")
    client.get("/leaderboards/p/leaderboard.csv")
    assert len(written) == 2
