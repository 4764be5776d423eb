"""A number beyond its metric's range, such as a log loss of 3: what is shown of it decides its rank, and holds it."""

import pytest
from django.contrib.auth.models import AnonymousUser

from leaderboard.boards import board_of
from leaderboard.history import history
from leaderboard.standings import all_rows

from .boards import make_entry, make_phase, make_team

pytestmark = pytest.mark.django_db


def scores_of(log_loss, auc=0.6):
    ends = [log_loss / 1.2, log_loss * 1.2]
    return {"n": 20, "auc": auc, "log_loss": log_loss, "log_loss_ci": {"loss": ends}}


def board_rows(phase, **query):
    board = board_of(phase, AnonymousUser(), **query)
    return [(row.rank, row.team, row.score, row.low, row.high) for row in all_rows(board, None, 10)]


def test_entries_that_look_equal_because_of_the_range_share_a_rank():
    phase = make_phase(metric="log_loss")
    for name, log_loss, days_ago in (("a", 3.1, 3), ("b", 2.7, 2), ("c", 1.5, 1)):
        make_entry(phase, make_team(name), public=scores_of(log_loss), days_ago=days_ago)
    assert [row[:3] for row in board_rows(phase)] == [(1, "c", 1.5), (2, "a", 2.0), (2, "b", 2.0)]


def test_a_tie_is_not_broken_by_what_the_range_hides():
    phase = make_phase(tie_breaks=["log_loss"])
    for name, log_loss, days_ago in (("a", 3.1, 2), ("b", 2.7, 1)):
        make_entry(phase, make_team(name), public=scores_of(log_loss), days_ago=days_ago)
    assert [row[:2] for row in board_rows(phase)] == [(1, "a"), (1, "b")]


def test_full_precision_ranks_by_the_numbers_themselves():
    phase = make_phase(metric="log_loss", decimals=None)
    for name, log_loss in (("a", 3.1), ("b", 2.7)):
        make_entry(phase, make_team(name), public=scores_of(log_loss))
    assert [row[:3] for row in board_rows(phase)] == [(1, "b", 2.7), (2, "a", 3.1)]


def test_a_score_at_the_end_of_the_range_lies_in_its_interval():
    phase = make_phase(metric="log_loss")
    make_entry(phase, make_team("a"), public=scores_of(3.0))
    make_entry(phase, make_team("b"), public=scores_of(1.8))
    assert [row[2:] for row in board_rows(phase)] == [(1.8, 1.5, 2.0), (2.0, 2.0, 2.0)]


def test_the_best_so_far_is_the_score_that_was_shown_of_it():
    phase, team = make_phase(metric="log_loss"), make_team("a")
    for log_loss, days_ago in ((3.0, 3), (2.5, 2), (1.5, 1)):
        make_entry(phase, team, public=scores_of(log_loss), days_ago=days_ago)
    found = history(board_of(phase, AnonymousUser()), team)
    assert [(moment.score, moment.best) for moment in found] == [(2.0, 2.0), (2.0, 2.0), (1.5, 1.5)]
