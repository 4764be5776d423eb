"""The ranks that entries could have: who is told, when they are computed, and when they are stale."""

import csv
import io
import re
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone
from django_q.models import OrmQ

from leaderboard.comparison.rank_ranges import MAX_COMPARED, compare_entries
from leaderboard.models import RankComparison
from leaderboard.tasks import compare_entries as task
from submissions.models import Phase

from .boards import make_dataset, make_entry, make_phase, make_scored_entry, make_team

pytestmark = pytest.mark.django_db
URL = "/leaderboards/lesions/"
API = "/api/v1/leaderboard?phase=lesions"


@pytest.fixture(autouse=True)
def _nobody_asked():
    cache.clear()


def board(**fields):
    """A phase with two entries that are alike and a third that is much worse, on 200 public cases."""
    phase = make_phase(make_dataset(n=400), **fields)
    truth = np.array([(i // 3) % 2 for i in range(400)])
    random = np.random.default_rng(1)
    for name, signal in (("first", 0.62), ("second", 0.6), ("third", 0.05)):
        make_scored_entry(phase, make_team(name), signal * truth + (1 - signal) * random.random(400))
    return phase


def text_of(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def asked():
    return OrmQ.objects.count()


def ranks(client):
    rows = client.get(API).json()["rows"]
    return {row["team"]: (row["rank_low"], row["rank_high"], row["like_above"]) for row in rows}


@pytest.mark.slow
def test_a_worker_compares_and_page_api_and_csv_show_the_ranks(client):
    phase = board()
    assert "Could be" not in text_of(client.get(URL))
    assert asked() == 1
    task(phase.pk, "public")
    text = text_of(client.get(URL))
    assert "Could be" in text
    assert "1 to 2" in text
    assert text.count("like above") == 1
    assert "the 3 compared entries" in text
    found = ranks(client)
    assert found["third"] == (3, 3, False)
    assert {found["first"], found["second"]} == {(1, 2, False), (1, 2, True)}
    rows = list(csv.DictReader(io.StringIO(client.get(f"{URL}leaderboard.csv").content.decode())))
    assert [(row["rank_low"], row["rank_high"], row["like_above"]) for row in rows] == [
        ("1", "2", "false"), ("1", "2", "true"), ("3", "3", "false"),
    ]  # fmt: skip


def test_readers_ask_only_once_for_the_same_board(client):
    board()
    for _ in range(3):
        client.get(URL)
    assert asked() == 1


@pytest.mark.slow
def test_a_new_entry_makes_the_ranks_stale(client):
    phase = board()
    compare_entries(phase, "public")
    assert ranks(client)["third"] == (3, 3, False)
    make_scored_entry(phase, make_team("fourth"), np.linspace(0, 1, 400))
    assert set(ranks(client).values()) == {(None, None, None)}
    compare_entries(phase, "public")
    assert ranks(client)["third"][1] == 4


def test_a_hidden_entry_makes_the_ranks_stale(client):
    phase = board()
    compare_entries(phase, "public")
    standing = phase.standings.get(team__name="third", split="public")
    standing.delete()
    assert set(ranks(client).values()) == {(None, None, None)}


@pytest.mark.slow
def test_a_running_competition_shows_no_ranks_and_asks_for_none(client):
    phase = board(disclosure="competition", closes_at=timezone.now() + timedelta(days=1))
    compare_entries(phase, "public")
    member = User.objects.get(membership__team__name="first")
    for user in (None, member):
        if user:
            client.force_login(user)
        assert "Could be" not in text_of(client.get(URL))
        assert set(ranks(client).values()) <= {(None, None, None)}
        assert "true" not in client.get(f"{URL}leaderboard.csv").content.decode().split("like_above", 1)[-1].lower()
    RankComparison.objects.all().delete()
    client.get(URL)
    assert asked() == 0


def test_the_end_of_a_competition_shows_the_ranks(client):
    phase = board(disclosure="competition", closes_at=timezone.now() + timedelta(days=1))
    Phase.objects.update(closes_at=timezone.now() - timedelta(minutes=1))
    assert phase.standings.filter(split="private").count() == 3
    client.get(URL)
    assert asked() == 1
    compare_entries(Phase.objects.get(), "private")
    assert ranks(client)["third"] == (3, 3, False)


def test_a_board_of_another_metric_has_no_ranks(client):
    compare_entries(board(), "public")
    assert "Could be" not in text_of(client.get(f"{URL}?metric=brier"))
    assert "Could be" not in text_of(client.get(f"{URL}?show=all"))


@pytest.mark.slow
def test_another_ranking_metric_is_compared_over_resamples(client):
    phase = board(metric="brier")
    compare_entries(phase, "public")
    assert ranks(client)["third"][0] >= 2


def test_what_cannot_be_compared_is_left_out_and_counted(client):
    phase = board()
    make_entry(phase, make_team("no predictions"), public=0.99)
    baseline = make_scored_entry(phase, make_team("base"), np.linspace(0, 1, 400), is_baseline=True)
    found = compare_entries(phase, "public")
    assert len(found.ranks) == 3
    assert found.n_left_out == 1
    assert str(baseline.pk) not in found.ranks
    text = text_of(client.get(URL))
    assert "1 entry could not be compared" in text


def test_a_board_without_entries_has_no_ranks(client):
    phase = make_phase()
    assert compare_entries(phase, "public").ranks == {}
    assert "Nobody has a score here yet" in text_of(client.get(URL))
    assert asked() == 0


def test_only_the_best_are_compared(monkeypatch):
    monkeypatch.setattr("leaderboard.comparison.rank_ranges.MAX_COMPARED", 2)
    found = compare_entries(board(), "public")
    assert (len(found.ranks), found.n_left_out) == (2, 1)
    assert MAX_COMPARED >= 100


@pytest.mark.parametrize(("n", "is_marked"), [(36, True), (120, False)])
@pytest.mark.slow
def test_a_board_of_few_cases_is_marked(client, n, is_marked):
    phase = make_phase(make_dataset(n=n))
    make_scored_entry(phase, make_team("a"), np.linspace(0, 1, n))
    assert ("These cases are few" in text_of(client.get(URL))) is is_marked
    assert client.get(API).json()["is_small"] is is_marked
