"""Places on a board, from tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.ranking import RankInput, rank_entries
from submissions.scoring import MISSING


def ranks(*keys, better=0, baselines=()):
    found = rank_entries(
        [RankInput(i, key if isinstance(key, tuple) else (key,), i, i in baselines) for i, key in enumerate(keys)],
        better=better,
    )
    return [(place.contender.identity, place.rank) for place in found]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((0.9, 0.8, 0.7), [(0, 1), (1, 2), (2, 3)]),
        ((0.7, 0.8, 0.9), [(2, 1), (1, 2), (0, 3)]),
        ((0.9, 0.8, 0.8, 0.7), [(0, 1), (1, 2), (2, 2), (3, 4)]),
        ((0.8, 0.8, 0.8), [(0, 1), (1, 1), (2, 1)]),
        (((0.8, 0.1), (0.8, 0.2), (0.8, 0.2)), [(1, 1), (2, 1), (0, 3)]),  # tie-breaks
        (((0.8, MISSING), (0.8, 0.2)), [(1, 1), (0, 2)]),  # a missing tie-break loses the tie alone
        ((MISSING, 0.0), [(1, 1), (0, None)]),  # missing never wins, even against zero
        ((-5.0, MISSING), [(0, 1), (1, None)]),
        ((MISSING,), [(0, None)]),
        ((), []),
    ],
)
def test_places(keys, expected):
    assert ranks(*keys) == expected


def test_baselines_stand_among_the_others_without_a_place():
    assert ranks(0.9, 0.8, 0.8, 0.7, baselines={1}) == [(0, 1), (1, None), (2, 2), (3, 3)]


def test_a_baseline_between_equals_does_not_part_them():
    assert ranks(0.8, 0.8, 0.8, 0.7, baselines={1}) == [(0, 1), (1, None), (2, 1), (3, 3)]


def test_a_later_page_counts_on():
    assert ranks(0.5, 0.5, 0.4, better=50) == [(0, 51), (1, 51), (2, 53)]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=30))
def test_a_place_is_one_more_than_the_number_of_ranked_entries_above(entries):
    contenders = [RankInput(i, (score / 4,), i, is_baseline) for i, (score, is_baseline) in enumerate(entries)]
    for place in rank_entries(contenders):
        above = sum(not contender.is_baseline and contender.keys > place.contender.keys for contender in contenders)
        assert place.rank == (None if place.contender.is_baseline else above + 1)
