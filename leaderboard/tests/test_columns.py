"""What stands beside the score: chosen metrics, the model and its links, entries, order, search, medals, changes."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from submissions.models import Team
from submissions.tests.factories import make_dataset

from .boards import make_entry, make_phase, make_team

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
URL = "/leaderboards/lesions/"
ALL = {"auc": 0.8, "brier": 0.111, "ece": 0.222, "average_precision": 0.333}


def rows_of(client, query=""):
    """Return the cells of each row as texts."""
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200
    body = response.content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    cells = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.S)
    clean = re.compile(r"<svg.*?</svg>|<[^>]*>", re.S)
    return [[" ".join(clean.sub(" ", cell).split()) for cell in cells.findall(row)] for row in body.split("<tr")[1:]]


def headings(client, query=""):
    head = client.get(f"{URL}{query}").content.decode().partition("<thead>")[2].partition("</thead>")[0]
    clean = re.compile(r"<svg.*?</svg>|<[^>]*>", re.S)
    return [" ".join(clean.sub(" ", text).split()) for text in re.findall(r"<th [^>]*>(.*?)</th>", head, re.S)]


def test_a_reader_chooses_the_columns(client):
    make_entry(make_phase(), make_team("a"), public=ALL)
    assert headings(client, "?columns=&columns=brier&columns=ece") == [
        "Rank", "Team", "AUC", "Interval", "From, to", "Brier score", "Expected calibration error",
    ]  # fmt: skip
    assert "0.1110" in rows_of(client, "?columns=brier")[0]
    assert headings(client, "?columns=") == ["Rank", "Team", "AUC", "Interval", "From, to"]


def test_a_competition_shows_no_other_metric_before_its_end(client):
    phase = make_phase(disclosure="competition", closes_at=timezone.now() + timedelta(days=9))
    make_entry(phase, make_team("a"), public=ALL)
    assert "Brier score" not in headings(client, "?columns=brier")
    text = client.get(f"{URL}?columns=brier&columns=ece").content.decode()
    assert "0.111" not in text
    assert "column-brier" not in text


def test_the_model_and_its_links_are_shown_and_not_followed(client):
    phase = make_phase()
    method = {"model_name": "LungNet", "model_version": "2", "code_url": "https://x.org/code", "paper_url": ""}
    make_entry(phase, make_team("a"), public=0.8, **method)
    text = " ".join(client.get(URL).content.decode().split())
    assert "LungNet 2" in text
    assert '<a href="https://x.org/code" rel="nofollow noopener noreferrer">code' in text
    (row,) = client.get("/api/v1/leaderboard?phase=lesions").json()["rows"]
    assert {name: row[name] for name in method} == method
    assert b"LungNet,2,https://x.org/code" in client.get(f"{URL}leaderboard.csv").content


def test_entries_are_counted_by_team(client):
    phase, team = make_phase(), make_team("a")
    for value, days_ago in ((0.9, 3), (0.8, 1)):
        make_entry(phase, team, public=value, days_ago=days_ago)
    make_entry(phase, team, public=0.5, is_baseline=True)
    make_entry(phase, make_team("b"), public=0.7)
    best, *others = client.get("/api/v1/leaderboard?phase=lesions").json()["rows"]
    assert [(row["team"], row["entries"], row["baseline"]) for row in (best, *others)] == [
        ("a", 2, False), ("b", 1, False), ("a", 1, True),
    ]  # fmt: skip
    assert best["last_entry_at"] > best["submitted_at"]  # the better one is the older


def test_a_search_keeps_the_ranks_of_the_whole_board(client):
    phase = make_phase()
    for name, value in (("Ada", 0.9), ("Ben", 0.8), ("Bella", 0.7)):
        make_entry(phase, make_team(name), public=value, model_name="Deep" if name == "Ada" else "")
    found = [row[:2] for row in rows_of(client, "?q=be&columns=")]
    assert found == [["2", "Ben"], ["3", "Bella"]]
    assert [row[:2] for row in rows_of(client, "?q=deep&columns=")] == [["1", "Ada"]]
    assert "No team and no model" in client.get(f"{URL}?q=nobody").content.decode()
    assert client.get(URL, {"q": "a\0b"}).status_code == 200


@pytest.mark.parametrize(
    ("sort", "teams"),
    [
        ("rank", ["Cid", "ann", "Ben"]), ("-rank", ["Ben", "ann", "Cid"]), ("team", ["ann", "Ben", "Cid"]),
        ("submitted", ["Ben", "Cid", "ann"]), ("-submitted", ["ann", "Cid", "Ben"]),
        ("model", ["Ben", "Cid", "ann"]), ("entries", ["ann", "Cid", "Ben"]),
    ],
)  # fmt: skip
def test_a_heading_sorts_the_rows(client, sort, teams):
    phase = make_phase()
    for name, value, days_ago, model in (("Cid", 0.9, 5, "z"), ("ann", 0.8, 1, ""), ("Ben", 0.7, 9, "a")):
        make_entry(phase, make_team(name), public=value, days_ago=days_ago, model_name=model)
    make_entry(phase, Team.objects.get(name="ann"), public=0.1, days_ago=20)
    rows = rows_of(client, f"?sort={sort}&columns=")
    assert [row[1] for row in rows] == teams
    assert {row[1]: row[0] for row in rows} == {"Cid": "1", "ann": "2", "Ben": "3"}
    assert client.get(f"{URL}?sort=nonsense").status_code == 404


def ended(**fields):
    return make_phase(closes_at=timezone.now() - timedelta(hours=1), **fields)


def test_a_final_board_has_medals_and_says_how_ranks_changed(client):
    phase = ended()
    for name, public, private in (("a", 0.9, 0.5), ("b", 0.8, 0.8), ("c", 0.7, 0.7), ("d", 0.6, 0.6)):
        make_entry(phase, make_team(name), public=public, private=private)
    text = client.get(URL).content.decode()
    assert [text.count(f'class="medal {name}"') for name in ("gold", "silver", "bronze")] == [1, 1, 1]
    assert [row[:3] for row in rows_of(client, "?columns=")] == [
        ["1 , gold", "2 ▲ up 1", "b"], ["2 , silver", "3 ▲ up 1", "c"], ["3 , bronze", "4 ▲ up 1", "d"],
        ["4", "1 ▼ down 3", "a"],
    ]  # fmt: skip
    assert "final" in text


def test_a_competitions_earlier_ranks_are_those_of_the_shown_scores(client):
    """With a step of 0.1 the second entry of a was never shown: its rank before the end came from 0.5."""
    phase = ended(disclosure="competition", ladder_step=0.1)
    team = make_team("a")
    make_entry(phase, team, public=0.5, private=0.5, days_ago=3)
    make_entry(phase, team, public=0.54, private=0.9, days_ago=2)
    make_entry(phase, make_team("b"), public=0.7, private=0.8)
    rows = client.get("/api/v1/leaderboard?phase=lesions").json()["rows"]
    assert [(row["team"], row["rank"], row["earlier_rank"]) for row in rows] == [("b", 1, 1), ("a", 2, 2)]


@pytest.mark.parametrize("splits", [["public", "private"] * 5, ["public"] * 10])
def test_an_open_board_has_neither_medals_nor_changes(client, splits):
    make_entry(make_phase(make_dataset(splits=splits)), make_team("a"), public=0.9, private=0.8)
    text = client.get(URL).content.decode()
    assert 'class="medal' not in text
    assert "Before the end" not in text


def test_the_page_varies_by_what_htmx_asks(client):
    make_phase()
    assert {"HX-Request", "HX-History-Restore-Request"} <= set(client.get(URL)["Vary"].split(", "))
