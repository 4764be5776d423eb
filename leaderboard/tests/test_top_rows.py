"""The first three rows of many boards: the same as each board shows, in a bounded number of queries."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from leaderboard.boards import board_of
from leaderboard.standings import page_of
from leaderboard.tests.boards import make_dataset, make_entry, make_phase, make_team
from leaderboard.top_rows import _first, top_rows
from submissions.models import Evaluation

pytestmark = pytest.mark.django_db


def shown(rows):
    return [(row.rank, row.team, row.score) for row in rows]


def make_phases():
    """Open and ended phases, with ties, baselines, private cases and fewer than three entries."""
    now, dataset = timezone.now(), make_dataset()
    past = {"closes_at": now - timedelta(days=1)}
    phases = [
        make_phase(dataset, slug="tied"),
        make_phase(dataset, slug="ended", **past),
        make_phase(dataset, slug="ladder", disclosure="competition"),
        make_phase(dataset, slug="one"),
        make_phase(dataset, slug="none"),
    ]
    teams = [make_team(f"t{i}") for i in range(6)]
    for phase in phases[:3]:
        for i, team in enumerate(teams):
            make_entry(phase, team, public=0.9 if 1 <= i <= 4 else 0.7 + i / 100, private=0.6 + i / 100, days_ago=i + 1)
        make_entry(phase, make_team(f"base {phase.slug}"), public=0.99, private=0.99, is_baseline=True)
    make_entry(phases[3], teams[0], public=0.8)
    return phases


@pytest.mark.slow
def test_each_board_begins_with_the_same_rows(django_assert_max_num_queries):
    phases = make_phases()
    with django_assert_max_num_queries(6):
        found = top_rows(phases, timezone.now())
    for phase in phases:
        board = board_of(phase, AnonymousUser())
        expected = [row for row in page_of(board, 1, None).rows if row.rank is not None][:3]
        assert shown(found[phase.pk][1] if phase.pk in found else []) == shown(expected), phase.slug
    assert [row.team for row in found[phases[1].pk][1]] == ["t5", "t4", "t3"]  # the private cases rank


def test_a_board_that_is_not_public_is_left_out():
    phase = make_phase(board_is_public=False)
    make_entry(phase, make_team("a"), public=0.9)
    assert top_rows([phase], timezone.now()) == {}
    assert top_rows([], timezone.now()) == {}


def test_an_entry_that_goes_between_two_looks_is_left_out(monkeypatch):
    """Deleted by staff, or evaluated once more, while the first page is made."""
    phase = make_phase()
    make_entry(phase, make_team("a"), public=0.9)
    make_entry(phase, make_team("b"), public=0.8)

    def ranked_then_deleted(rows):
        found = _first(rows)
        Evaluation.objects.filter(submission__team__name="b").delete()
        return found

    monkeypatch.setattr("leaderboard.top_rows._first", ranked_then_deleted)
    [(_, rows)] = top_rows([phase], timezone.now()).values()
    assert [row.team for row in rows] == ["a"]
