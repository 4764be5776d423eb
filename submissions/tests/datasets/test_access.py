"""Which datasets an organiser is offered, and may open a phase over."""

import pytest

from submissions.datasets.access import datasets_visible_to
from submissions.tests.factories import make_dataset, make_phase, make_staff

pytestmark = pytest.mark.django_db


def make_version(dataset, number=2, **fields):
    """Return another version of a dataset, of the same cases, as `import_dataset` without an owner makes it."""
    made = make_dataset()
    made.name, made.version = dataset.name, number
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


def test_an_unused_version_of_a_dataset_in_use_is_for_those_who_use_it_alone():
    used = make_dataset()
    organiser = make_staff("organiser", make_phase(used))
    newer = make_version(used)
    assert newer not in datasets_visible_to(make_staff("organiser", make_phase()))
    assert newer in datasets_visible_to(organiser)


def test_an_unused_version_of_somebodys_dataset_is_for_its_owner_alone():
    owner = make_staff("organiser")
    owned = make_dataset()
    owned.owner = owner
    owned.save()
    newer = make_version(owned)
    assert newer not in datasets_visible_to(make_staff("organiser"))
    assert newer in datasets_visible_to(owner)


def test_a_dataset_of_ones_own_under_the_name_opens_no_version_that_others_use():
    """Whoever guessed the name before the command was run owns version 1 of it, and may use that in a phase."""
    mallory = make_staff("organiser")
    first = make_dataset()
    first.owner = mallory
    first.save()
    make_staff("organiser", make_phase(make_version(first)))
    mallory.organised_challenges.add(make_phase(first).challenge)
    assert make_version(first, 3) not in datasets_visible_to(mallory)


def test_what_nobody_owns_or_uses_in_any_version_is_for_every_organiser():
    first = make_dataset()
    assert {first, make_version(first)} == set(datasets_visible_to(make_staff("organiser")))


def test_no_phase_over_the_hidden_cases_of_others_can_be_opened(client):
    used = make_dataset(splits=["sample", "public", "private", "sample", "public", "private", *["public"] * 4])
    make_staff("organiser", make_phase(used))
    own = make_phase()
    client.force_login(make_staff("organiser", own))
    sent = {
        "title": "The same cases, open", "slug": "open", "dataset": make_version(used).pk, "disclosure": "practice",
        "accepts_csv": "on", "decimals": 4, "score_digits": 3, "interval_digits": 2, "predict_timeout_s": 300,
        "parallel": 1,
    }  # fmt: skip
    answer = client.post(f"/organise/challenges/{own.challenge.slug}/phases/new/", sent)
    assert answer.status_code == 400
    assert "dataset" in answer.context["form"].errors
