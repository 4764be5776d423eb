"""Challenges: who sees them, and that every phase has one."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command

from submissions.models import Challenge, Phase
from submissions.models.access import may
from submissions.tests.factories import make_challenge, make_dataset, make_phase, make_staff, make_user

pytestmark = pytest.mark.django_db


def slugs(user):
    return set(Challenge.objects.visible_to(user).values_list("slug", flat=True))


def test_a_challenge_is_as_hidden_as_all_its_phases():
    announced, hidden = make_challenge(slug="announced"), make_challenge(slug="hidden", is_hidden=True)
    mixed = make_challenge(slug="mixed")
    for shown in (True, False):
        make_phase(challenge=mixed, is_hidden=not shown)
    secret, inside = make_phase(slug="secret", is_hidden=True), make_phase(slug="inside", challenge=hidden)
    assert slugs(AnonymousUser()) == slugs(make_user()) == {"announced", "mixed"}
    assert inside not in Phase.objects.visible_to(AnonymousUser())
    assert inside not in Phase.objects.boards_visible_to(AnonymousUser())
    assert slugs(make_staff("organiser", secret)) == {"announced", "mixed", "secret"}
    assert slugs(make_staff("operator")) == {"announced", "mixed", "secret", "hidden"}
    assert announced.phases.count() == 0


def test_organisers_of_a_challenge_decide_about_each_of_its_phases_and_no_other():
    challenge = make_challenge()
    first, second = make_phase(challenge=challenge), make_phase(challenge=challenge)
    other = make_phase()
    olga = make_staff("organiser", first)
    assert [may(olga, "submissions.change_phase", phase) for phase in (first, second, other)] == [True, True, False]
    assert may(olga, "submissions.change_challenge", challenge)
    assert set(Phase.objects.managed_by(olga, "submissions.change_phase")) == {first, second}
    assert list(Challenge.objects.managed_by(olga, "submissions.change_challenge")) == [challenge]
    # Somebody who organises nothing is no organiser of what has no challenge yet.
    assert not may(make_staff("organiser"), "submissions.change_phase", Phase())


def test_open_phase_makes_a_challenge_or_takes_the_one_that_is_named():
    name = make_dataset().name
    call_command("open_phase", dataset=name, slug="one", title="One", verbosity=0)
    call_command("open_phase", dataset=name, slug="two", title="Two", challenge="one", verbosity=0)
    assert set(Challenge.objects.get().phases.values_list("slug", flat=True)) == {"one", "two"}
    with pytest.raises(Exception, match="no challenge 'three'"):
        call_command("open_phase", dataset=name, slug="x", title="X", challenge="three", verbosity=0)
