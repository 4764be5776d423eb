"""Teams take turns, phases have priorities, and the place that is shown is the place in that order."""

import pytest
from django.utils import timezone

from submissions.actions.evaluate import claim
from submissions.actions.order.fair_order import next_evaluations, place_in_queue
from submissions.models import Evaluation, Phase
from submissions.tests.factories import make_member, make_phase, make_submission

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def order():
    return next_evaluations("csv", timezone.now())


def run_one_after_the_other():
    """Claim and finish one evaluation after the other; return them in that order."""
    done = []
    while keys := order():
        evaluation = claim(keys[0], "w")
        evaluation.transition_to(Evaluation.Status.COMPLETED)
        done.append(keys[0])
    return done


def sent(phase, *teams):
    return [make_submission(user=team, phase=phase).latest.pk for team in teams]


def test_a_team_with_ten_waiting_does_not_hold_up_a_team_with_one():
    phase, many, one = make_phase(), make_member(), make_member()
    keys = sent(phase, *[many] * 10, one)
    places = {key: place_in_queue(Evaluation.objects.get(pk=key)) for key in keys}
    assert sorted(places.values()) == list(range(1, 12))
    assert (places[keys[0]], places[keys[10]], places[keys[1]]) == (1, 2, 3)
    assert run_one_after_the_other() == sorted(keys, key=places.get)


def test_a_team_that_runs_already_waits_for_the_others():
    phase, busy, other = make_phase(), make_member(), make_member()
    keys = sent(phase, busy, busy, busy, other)
    claim(keys[0], "w")
    assert order() == [keys[3], keys[1]]
    assert [place_in_queue(Evaluation.objects.get(pk=key)) for key in keys[1:]] == [2, 3, 1]


def test_a_phase_with_a_higher_priority_comes_first():
    usual, final = make_phase(), make_phase()
    Phase.objects.filter(pk=final.pk).update(priority=5)
    team, other = make_member(), make_member()
    keys = sent(usual, team, other) + sent(final, team)
    assert [place_in_queue(Evaluation.objects.get(pk=key)) for key in keys] == [2, 3, 1]
    assert run_one_after_the_other() == [keys[2], keys[1], keys[0]], "the first team was served with its final one"
