"""`/api/v1/leaderboard`: its form, who sees what, and the spreadsheet that never runs."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard.api import views
from leaderboard.boards import board_of
from leaderboard.columns import COLUMNS, RowSerializer
from leaderboard.comparison.two_entries import MetricComparison
from leaderboard.history import history
from submissions import actions
from submissions.models import Evaluation
from submissions.scoring import METRICS
from submissions.scoring.uncertainty import Difference

from .boards import make_dataset, make_entry, make_phase, make_scored_entry, make_team

pytestmark = pytest.mark.django_db
URL = "/api/v1/leaderboard"
PAGE = "/leaderboards/lesions/"


@pytest.fixture
def staff():
    return User.objects.create_user("boss", password="pw", is_staff=True, is_superuser=True)


def get(client, url=URL, **query):
    return client.get(url, {"phase": "lesions"} | query)


def ranks(response):
    return [(row["rank"], row["team"]) for row in response.json()["rows"]]


@pytest.mark.slow
def test_a_board_has_the_promised_form(client):
    phase = make_phase()
    entry = make_entry(phase, make_team("Ada"), public=0.891234567, private=0.5)
    answer = get(client).json()
    assert {name: answer[name] for name in ("phase", "metric", "direction", "split")} == {
        "phase": "lesions", "metric": "auc", "direction": "higher", "split": "public",
    }  # fmt: skip
    (row,) = answer["rows"]
    assert set(row) == {
        "rank", "rank_low", "rank_high", "like_above", "team", "submission", "score", "ci_low", "ci_high", "metrics",
        "submitted_at", "baseline", "earlier_rank", "model_name", "model_version", "code_url", "paper_url", "entries",
        "last_entry_at",
    }  # fmt: skip
    assert (row["rank"], row["team"], row["submission"]) == (1, "Ada", str(entry.submission_id))
    assert (row["score"], row["ci_low"], row["ci_high"]) == (0.8912, 0.8412, 0.9412)
    assert row["metrics"] == {"auc": 0.8912}
    assert row["baseline"] is False
    assert (row["rank_low"], row["rank_high"], row["like_above"]) == (None, None, None)  # one entry: nothing to compare


@pytest.mark.slow
def test_equal_scores_share_a_place_and_baselines_have_none(client):
    phase = make_phase()
    for name, value in (("a", 0.9), ("b", 0.8), ("c", 0.8), ("d", 0.7)):
        make_entry(phase, make_team(name), public=value)
    make_entry(phase, make_team("base"), public=0.85, is_baseline=True)
    assert ranks(get(client)) == [(1, "a"), (None, "base"), (2, "b"), (2, "c"), (4, "d")]


def test_scores_that_look_equal_are_equal(client):
    phase = make_phase()
    for name, value in (("a", 0.80001), ("b", 0.80004)):
        make_entry(phase, make_team(name), public=value)
    assert ranks(get(client)) == [(1, "a"), (1, "b")]


def test_declared_tie_breaks_decide(client):
    phase = make_phase(tie_breaks=["brier"])
    for name, brier in (("a", 0.2), ("b", 0.1), ("c", 0.1)):
        make_entry(phase, make_team(name), public={"auc": 0.8, "brier": brier})
    assert ranks(get(client)) == [(1, "b"), (1, "c"), (3, "a")]


@pytest.mark.slow
def test_a_team_stands_once_with_its_best_or_with_all(client):
    phase, team = make_phase(), make_team("a")
    for value in (0.7, 0.9, 0.8):
        make_entry(phase, team, public=value)
    make_entry(phase, make_team("b"), public=0.85)
    assert ranks(get(client)) == [(1, "a"), (2, "b")]
    assert ranks(get(client, show="all")) == [(1, "a"), (2, "b"), (3, "a"), (4, "a")]


@pytest.mark.slow
def test_tie_breaks_decide_among_all_entries_too(client):
    phase = make_phase(tie_breaks=["brier"])
    for name, brier in (("a", 0.2), ("b", 0.1), ("c", 0.1)):
        make_entry(phase, make_team(name), public={"auc": 0.8, "brier": brier})
    assert ranks(get(client, show="all")) == [(1, "b"), (1, "c"), (3, "a")]
    paged = [ranks(get(client, show="all", page=page, page_size=1))[0] for page in (1, 2, 3)]
    assert paged == [(1, "b"), (1, "c"), (3, "a")]
    assert ranks(get(client, show="all", metric="auc")) == [(1, "b"), (1, "c"), (3, "a")]


@pytest.mark.slow
def test_baselines_and_hidden_entries_among_all(client):
    phase, team = make_phase(), make_team("a")
    for value in (0.9, 0.8, 0.7):
        make_entry(phase, team, public=value)
    best, second = (Evaluation.objects.order_by("pk")[i].submission for i in (0, 1))
    actions.mark_baseline(submission=best, is_baseline=True)
    assert ranks(get(client, show="all")) == [(None, "a"), (1, "a"), (2, "a")]
    actions.set_hidden(submission=second, is_hidden=True)
    assert ranks(get(client, show="all")) == [(None, "a"), (1, "a")]
    actions.set_hidden(submission=second, is_hidden=False)
    actions.mark_baseline(submission=best, is_baseline=False)
    assert ranks(get(client, show="all")) == [(1, "a"), (2, "a"), (3, "a")]


@pytest.mark.slow
@pytest.mark.parametrize("query", [{"show": "all"}, {"show": "all", "metric": "brier"}, {"metric": "brier"}])
def test_only_the_rows_of_the_page_have_their_scores_read(client, query):
    phase = make_phase()
    for i in range(9):
        make_entry(phase, make_team(f"t{i}"), public={"auc": i / 10, "brier": i / 10})
    with CaptureQueriesContext(connection) as requested:
        assert len(get(client, page=2, page_size=4, **query).json()["rows"]) == 4
    readers = [item["sql"] for item in requested if '"scores"' in item["sql"]]
    assert len(readers) == 1
    assert "JSON" not in readers[0].upper()


def test_an_entry_without_the_metric_is_last_of_all_and_unranked(client):
    phase, team = make_phase(), make_team("a")
    for scores in ({"auc": 0.9}, {"auc": 0.8, "specificity": 0.0}, {"auc": 0.7, "specificity": 0.4}):
        make_entry(phase, team, public=scores)
    rows = get(client, show="all", metric="specificity").json()["rows"]
    assert [(row["rank"], row["score"]) for row in rows] == [(1, 0.4), (2, 0.0), (None, None)]


@pytest.mark.slow
def test_the_count_is_of_the_whole_board_even_where_its_rows_are_cut(client, monkeypatch):
    monkeypatch.setattr("leaderboard.export.MAX_ROWS", 2)
    phase = make_phase()
    for i in range(3):
        make_entry(phase, make_team(f"t{i}"), public=i / 10)
    answer = get(client).json()
    assert (answer["count"], len(answer["rows"])) == (3, 2)


def test_hidden_and_unfinished_entries_do_not_stand(client):
    phase, team = make_phase(), make_team("a")
    make_entry(phase, team, public=0.9, is_hidden=True)
    make_entry(phase, team, public=0.5)
    for show in ("best", "all"):
        assert [row["score"] for row in get(client, show=show).json()["rows"]] == [0.5]


def test_any_metric_can_be_chosen_and_the_lower_can_win(client):
    phase = make_phase()
    for name, brier in (("a", 0.2), ("b", 0.1), ("c", None)):
        scores = {"auc": 0.8} | ({} if brier is None else {"brier": brier, "brier_ci": {"cases": [0.05, 0.3]}})
        make_entry(phase, make_team(name), public=scores)
    answer = get(client, metric="brier")
    assert ranks(answer) == [(1, "b"), (2, "a"), (None, "c")]
    assert answer.json()["direction"] == "lower"
    assert [(row["score"], row["ci_low"]) for row in answer.json()["rows"]] == [
        (0.1, 0.05),
        (0.2, 0.05),
        (None, None),
    ]


# T29 and A21: nothing private before the end, for anyone but staff.
@pytest.mark.slow
def test_private_numbers_appear_nowhere_before_the_end(client, staff):
    phase = make_phase(closes_at=timezone.now() + timedelta(hours=1), disclosure="competition")
    team = make_team("a")
    make_entry(phase, team, public=0.8, private=0.77777)
    for query in ({}, {"show": "all"}, {"metric": "auc"}, {"format": "csv"}):
        for url in (URL, f"{URL}/history"):
            assert "0.77" not in get(client, url, **query).content.decode()
    for url in (URL, f"{URL}/history"):
        assert get(client, url, split="private").status_code == 400
    client.force_login(team.memberships.get().user)
    assert get(client, split="private").status_code == 400
    client.force_login(staff)
    assert get(client, split="private").json()["rows"][0]["score"] == 0.7778


@pytest.mark.slow
def test_the_private_cases_rank_once_the_phase_has_ended(client):
    phase = make_phase(closes_at=timezone.now() - timedelta(seconds=1))
    make_entry(phase, make_team("overfitted"), public=0.9, private=0.6)
    make_entry(phase, make_team("honest"), public=0.8, private=0.7)
    assert ranks(get(client)) == [(1, "honest"), (2, "overfitted")]
    assert get(client).json()["split"] == "private"
    assert ranks(get(client, split="public")) == [(1, "overfitted"), (2, "honest")]


def test_a_phase_without_private_cases_ends_with_its_public_ranks(client):
    phase = make_phase(make_dataset(private=False), closes_at=timezone.now() - timedelta(seconds=1))
    make_entry(phase, make_team("a"), public=0.9)
    assert (get(client).json()["split"], ranks(get(client))) == ("public", [(1, "a")])


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{"board_is_public": False}, {"is_hidden": True}])
def test_a_private_board_does_not_exist_but_for_staff(client, staff, fields):
    phase = make_phase(**fields)
    make_entry(phase, make_team("a"), public=0.9)
    for url in (URL, f"{URL}/history", "/leaderboards/lesions/", "/leaderboards/lesions/history/"):
        assert get(client, url).status_code == 404
    assert "lesions" not in client.get("/leaderboards/").content.decode()
    client.force_login(staff)
    assert get(client).status_code == 200


@pytest.mark.parametrize(("decimals", "shown"), [(4, 0.8909), (2, 0.89), (0, 1.0), (None, 0.8909196643148141)])
def test_scores_are_rounded_as_the_phase_says(client, decimals, shown):
    phase = make_phase(decimals=decimals)
    make_entry(phase, make_team("a"), public=0.8909196643148141)
    assert get(client).json()["rows"][0]["score"] == shown
    (row,) = csv.DictReader(io.StringIO(get(client, format="csv").content.decode()))
    assert float(row["score"]) == float(row["auc"]) == shown


@pytest.mark.slow
@pytest.mark.parametrize("show", ["best", "all"])
def test_no_number_has_more_decimals_than_the_phase_shows(client, show):
    phase = make_phase()
    make_scored_entry(phase, make_team("a"), [(7 * i % 40) / 41 for i in range(40)])
    for url in (URL, f"{URL}/history"):
        numbers = json.loads(get(client, url, show=show).content, parse_float=str)
        texts = [text for row in numbers["rows"] for text in _floats(row)]
        assert texts
        assert all(len(text.partition(".")[2]) <= 4 for text in texts)


def _floats(value):
    if isinstance(value, dict):
        return [text for item in value.values() for text in _floats(item)]
    is_float = isinstance(value, str) and value.replace(".", "", 1).replace("-", "", 1).isdigit()
    return [value] if is_float else []


def test_the_export_holds_safe_names_and_plain_numbers(client):
    phase = make_phase()
    make_entry(phase, make_team('=HYPERLINK("http://x","y")'), public={"auc": 0.8, "calibration_intercept": -1.5})
    response = get(client, format="csv")
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"].startswith("attachment")
    (row,) = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    assert row["team"] == '\'=HYPERLINK("http://x","y")'
    assert (row["rank"], row["score"], row["calibration_intercept"]) == ("1", "0.8", "-1.5")


@pytest.mark.parametrize("accept", ["text/csv", "text/html", "application/json", "*/*"])
def test_csv_comes_to_whoever_asks_for_it(client, accept):
    make_entry(make_phase(), make_team("a"), public=0.8)
    for url, query in ((URL, {"phase": "lesions", "format": "csv"}), ("/api/v1/phases/lesions/template", {})):
        answer = client.get(url, query, headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    refused = client.get(URL, {"phase": "nope", "format": "csv"}, headers={"Accept": accept})
    assert (refused.status_code, refused.json()["error_code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"phase": ""}, 400, "phase"), ({"phase": "nope"}, 404, None), ({"metric": "nope"}, 400, "metric"),
        ({"metric": "macro_f1"}, 400, "metric"), ({"format": "xml"}, 400, "format"), ({"show": "x"}, 400,
        "show"),
        ({"split": "sample"}, 400, "split"), ({"page": "-1"}, 400, "page"), ({"page": "abc"}, 400, "page"),
        ({"page": "0"}, 400, "page"), ({"page_size": "1e9"}, 400, "page_size"), ({"page": "٣"}, 400, "page"),
        ({"page": "9" * 400}, 400, "page"), ({"metric": "auc__gt"}, 400, "metric"),
        ({"phase": "x\0y"}, 404, None), ({"split": "public'--"}, 400, "split"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(client, query, status, field):
    make_phase()
    response = get(client, **query)
    assert (response.status_code, response.json()["status"]) == (status, "error")
    assert response.json()["details"].get("field") == field


@pytest.mark.slow
def test_a_board_can_be_had_in_pages(client):
    phase = make_phase()
    for i in range(5):
        make_entry(phase, make_team(f"t{i}"), public=0.9 - i // 2 / 10)
    first, second, last = (get(client, page=page, page_size=2) for page in (1, 2, 9))
    assert ranks(first) == [(1, "t0"), (1, "t1")]
    assert ranks(second) == [(3, "t2"), (3, "t3")]
    assert ranks(last) == [(5, "t4")]
    assert first.json()["count"] == 5


@pytest.mark.slow
def test_a_page_that_cuts_a_tie_keeps_its_order_and_places(client):
    phase = make_phase(tie_breaks=["brier"])
    for i in range(6):
        make_entry(phase, make_team(f"t{i}"), public={"auc": 0.8, "brier": 0.6 - i / 10})
    whole = ranks(get(client))
    assert whole == [(i + 1, f"t{5 - i}") for i in range(6)]
    paged = [row for page in (1, 2, 3) for row in ranks(get(client, page=page, page_size=2))]
    assert paged == whole


@pytest.mark.slow
def test_history_is_a_teams_way_up(client):
    phase, team = make_phase(), make_team("a")
    for days_ago, value in ((3, 0.7), (2, 0.65), (1, 0.8)):
        make_entry(phase, team, public=value, days_ago=days_ago)
    make_entry(phase, make_team("b"), public=0.75, days_ago=1.5)
    for requested in ("a", str(team.pk)):
        rows = get(client, f"{URL}/history", team=requested).json()["rows"]
        assert [(row["score"], row["best"]) for row in rows] == [(0.7, 0.7), (0.65, 0.7), (0.8, 0.8)]
    leaders = get(client, f"{URL}/history").json()
    assert [(row["team"], row["score"]) for row in leaders["rows"]] == [("a", 0.7), ("b", 0.75), ("a", 0.8)]
    assert leaders["team"] is None


@pytest.mark.parametrize("fields", [{"decimals": 2, "ladder_step": None}, {"decimals": 2, "ladder_step": 0.001}])
def test_the_best_so_far_has_the_digits_of_the_score_it_is(fields):
    """In a competition scores have the digits of the ladder, not the decimals of what is shown in full."""
    phase, team = make_phase(disclosure="competition", **fields), make_team("a")
    for days_ago, value in ((2, 0.913), (1, 0.956)):
        make_entry(phase, team, public=value, days_ago=days_ago)
    found = history(board_of(phase, AnonymousUser()), team)
    assert [(moment.score, moment.best) for moment in found] == [(0.913, 0.913), (0.956, 0.956)]


def test_the_history_of_an_unknown_team_is_404(client):
    make_phase()
    for team in ("nobody", "9" * 12, "a\0b"):
        assert get(client, f"{URL}/history", team=team).status_code == 404


# A21: the board is where a team's name is shown, and nowhere else.
@pytest.mark.slow
def test_the_history_knows_the_teams_on_this_board_alone(client):
    phase, elsewhere = make_phase(), make_phase(slug="elsewhere")
    hidden, other, silent = make_team("hidden"), make_team("other"), make_team("silent")
    make_entry(phase, hidden, public=0.9, is_hidden=True)
    make_entry(elsewhere, other, public=0.9)
    for team in (hidden, other, silent):
        for requested in (team.name, str(team.pk)):
            answers = [
                get(client, f"{URL}/history", team=requested),
                client.get(f"{PAGE}history/", {"team": requested}),
            ]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert team.name not in answers[0].content.decode()


def test_a_team_that_calls_itself_a_number_takes_nobodys_place(client):
    phase, team = make_phase(), make_team("a")
    make_entry(phase, team, public=0.7)
    make_entry(phase, make_team(str(team.pk)), public=0.8)
    assert get(client, f"{URL}/history", team=str(team.pk)).json()["team"] == "a"


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow(client, django_assert_max_num_queries, monkeypatch):
    monkeypatch.setattr("leaderboard.export.remembered_of_content", lambda kind, inputs, make, *, caller: make())
    monkeypatch.setattr(views.PublicView, "throttle_classes", [])
    phase = make_phase(tie_breaks=["brier"])
    for i in range(30):
        make_entry(phase, make_team(f"t{i}"), public={"auc": round(0.5 + i % 7 / 20, 4), "brier": i / 100})
    for query in ({}, {"show": "all"}, {"metric": "brier"}, {"page": "2", "page_size": "10"}):
        with django_assert_max_num_queries(10):
            assert get(client, **query).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("tie_breaks", [[], ["brier"]])
def test_pages_put_together_are_the_board(client, tie_breaks):
    phase = make_phase(tie_breaks=tie_breaks)
    for i in range(13):
        scores = {"auc": [0.9, 0.8, 0.7][i * i % 3], "brier": i * 7 % 5 / 10}
        make_entry(phase, make_team(f"t{i}"), public=scores, is_baseline=i % 4 == 3)
    whole = ranks(get(client))
    assert len(whole) == 13
    for size in (1, 3, 5):
        pages = range(1, -(-13 // size) + 1)
        assert [row for page in pages for row in ranks(get(client, page=page, page_size=size))] == whole


def test_a_page_has_fifty_rows_unless_another_size_is_asked_for(client, monkeypatch):
    make_phase()
    sizes = []
    page_of = views.page_of
    monkeypatch.setattr(views, "page_of", lambda *args, size: sizes.append(size) or page_of(*args, size=size))
    get(client, page=1)
    get(client, page=1, page_size=7)
    assert sizes == [50, 7]


def test_what_a_page_draws_is_no_column_of_the_file():
    assert not {column.name for column in COLUMNS if column.in_csv} & {"ranks", "bar", "ends"}


def test_a_row_without_a_score_is_described_as_possible():
    assert RowSerializer().fields["score"].allow_null
    assert RowSerializer().fields["rank"].allow_null


def test_a_team_s_history_is_its_latest_entries_and_not_those_watched_for_leaders(monkeypatch):
    phase, team = make_phase(), make_team("Alveoli")
    for days_ago, score in ((3, 0.6), (2, 0.7), (1, 0.8)):
        make_entry(phase, team, public=score, days_ago=days_ago)
    board = board_of(phase, AnonymousUser())
    monkeypatch.setattr("leaderboard.history.MAX_WATCHED", 1)
    assert [moment.score for moment in history(board, team, most=2)] == [0.7, 0.8]
    assert [moment.score for moment in history(board, None, most=3)] == [0.8]


@pytest.mark.parametrize(
    ("low", "high", "is_clear"),
    [(-0.1, 0.3, False), (0.0, 0.3, False), (-0.3, 0.0, False), (0.1, 0.3, True), (-0.3, -0.1, True)],
)
def test_two_entries_differ_where_the_interval_leaves_zero_out(low, high, is_clear):
    difference = Difference((low + high) / 2, low, high, None, "patient")
    assert MetricComparison(METRICS["auc"], 0.8, 0.7, difference).is_clear is is_clear
    assert not MetricComparison(METRICS["auc"], 0.8, None, None).is_clear
