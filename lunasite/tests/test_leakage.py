"""The attacks of benchmarks/leakage in short: nothing found in a competition, and a control on which they succeed.

`make bench-leakage` plays them with all 15 tries; its figures stand in docs/reference/disclosure.md.
"""

import pytest

from benchmarks.leakage import campaign
from benchmarks.leakage.attacks import side_channels
from benchmarks.leakage.participant import Participant

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
TRIES = 2
# What chance gives random guesses of 300 labels, at three and a half standard deviations.
BY_CHANCE = {0.09: 10, 0.5: 30}


@pytest.fixture
def arena(request):
    """A phase of 300 public and 700 private cases, half of them malignant."""
    how = request.param if hasattr(request, "param") else {}
    return campaign.arenas("arena", how.pop("malignant", 0.5), 1, **how)


OPEN_BOOK = {"is_open_book": True}
READERS = ["curve solving", "digits of the slope", "log-loss oracle"]


@pytest.mark.parametrize("attack", READERS)
def test_what_an_attack_reads_is_not_shown(arena, attack):
    figures = campaign.play(attack, arena, seed=1, tries=1)
    assert figures.public <= 0
    assert (figures.private_beyond, figures.members_beyond) == (0, 0)


@pytest.mark.parametrize("arena", [OPEN_BOOK], indirect=True)
@pytest.mark.parametrize(("attack", "at_least"), [("log-loss oracle", 4)])
def test_the_same_attack_finds_labels_where_everything_is_shown(arena, attack, at_least):
    """22 cases a try, of which about 7 are public."""
    [one] = arena
    _, guess = campaign.play_once(attack, one, seed=1, tries=TRIES)
    right = [guess.labels[public_id] == one.labels[public_id] for public_id in guess.labels if public_id in one.public]
    assert sum(right) >= at_least
    assert all(right)
    assert guess.members <= one.public


@pytest.mark.parametrize(
    "attack", ["boosting", "climbing the ladder", "AUC oracle, blocks", "AUC oracle, single cases"]
)
def test_a_few_scores_tell_no_more_than_chance(arena, attack):
    figures = campaign.play(attack, arena, seed=1, tries=TRIES)
    assert figures.public <= BY_CHANCE[0.5]
    assert (figures.private_beyond, figures.members_beyond) == (0, 0)


def test_no_order_and_no_hash_tells_the_part_of_a_case(arena):
    assert campaign.play("membership by order and hash", arena, seed=1).members_beyond == 0


@pytest.mark.parametrize("arena", [OPEN_BOOK | {"old_split": True}], indirect=True)
def test_the_split_of_before_told_every_part(arena):
    assert campaign.play("membership by order and hash", arena, seed=1).members_beyond > 150


def test_a_guess_of_labels_is_confirmed_by_nothing_but_an_unsalted_hash(arena):
    assert campaign.guess_the_hash(arena, unknown=3).found == 0
    assert campaign.guess_the_hash(arena, unknown=3, unsalted=True).found == 3


def test_two_files_differ_in_nothing_but_the_score(arena):
    """Everything a participant can read of two entries with opposite predictions, but ids, times and file hashes."""
    found = campaign.differing_values(arena[0])
    assert ("scores", "public", "auc") in found
    assert found <= {("scores", "public", "auc"), ("scores", "public", "auc_ci")}


def test_a_container_moves_few_bits_in_a_competition_and_many_in_the_open(arena):
    bits = side_channels.bits_a_try(Participant(arena[0].phase), readings=16)
    assert (bits["memory"], round(2 ** bits["point of failure"])) == (2, 10)
    [opened] = campaign.arenas("open", 0.5, 1, is_open_book=True)
    control = side_channels.bits_a_try(Participant(opened.phase), readings=16, is_held_back=False)
    assert list(control.values()) == [4, 4, 4]
    assert bits["run time"] < control["run time"]
