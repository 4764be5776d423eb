"""The entry that counts at the end: the best shown, unless the team chose another before (issue 9 A2)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from leaderboard.models import Standing
from submissions import actions
from submissions.models import Evaluation, Phase, Submission
from submissions.tests.factories import (
    evaluated,
    make_dataset,
    make_member,
    make_phase,
    make_staff,
    make_submission,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

TRUTH = [0, 0, 0, 1, 1, 0, 0, 0, 1, 1]
SPLITS = ["public"] * 5 + ["private"] * 5
GOOD_IN_PUBLIC = [0.1, 0.2, 0.3, 0.8, 0.9, 0.9, 0.8, 0.2, 0.3, 0.1]  # public AUC 1, private 1/6
GOOD_IN_PRIVATE = [0.5, 0.1, 0.2, 0.4, 0.9, 0.1, 0.2, 0.3, 0.8, 0.9]  # public AUC 5/6, private 1


@pytest.fixture
def ann():
    return make_member("ann")


@pytest.fixture
def phase():
    return make_phase(make_dataset(truth=TRUTH, splits=SPLITS), slug="p")


@pytest.fixture
def entries(ann, phase):
    """The first was shown 0.83, the second, better on the public cases, 1.0."""
    return [evaluated(user=ann, phase=phase, values=values) for values in (GOOD_IN_PRIVATE, GOOD_IN_PUBLIC)]


def standing(split):
    return Standing.objects.get(split=split).evaluation.submission


def test_the_best_shown_counts_whatever_its_private_score(entries):
    assert [entry.latest.shown_score for entry in entries] == [0.83, 1.0]
    assert [standing(split) for split in ("shown", "public", "private")] == [entries[1]] * 3


def test_a_chosen_entry_counts_at_the_end_and_the_board_of_now_stays(client, ann, entries):
    client.force_login(ann)
    answer = client.put(f"/api/v1/submissions/{entries[0].pk}/choice")
    assert (answer.status_code, answer.json()["is_chosen"]) == (200, True)
    assert [standing(split) for split in ("shown", "public", "private")] == [entries[1], entries[0], entries[0]]
    Phase.objects.update(closes_at=timezone.now())
    (row,) = client.get("/api/v1/leaderboard?phase=p").json()["rows"]
    assert (row["submission"], row["score"]) == (str(entries[0].pk), 1.0)


def test_another_choice_replaces_the_first_and_it_can_be_taken_back(client, ann, entries):
    client.force_login(ann)
    for entry in entries:
        client.put(f"/api/v1/submissions/{entry.pk}/choice")
    assert list(Submission.objects.filter(is_chosen=True)) == [entries[1]]
    client.put(f"/api/v1/submissions/{entries[0].pk}/choice")
    client.delete(f"/api/v1/submissions/{entries[1].pk}/choice")  # is not the chosen one
    assert standing("private") == entries[0]
    client.delete(f"/api/v1/submissions/{entries[0].pk}/choice")
    assert standing("private") == entries[1]


def test_a_team_chooses_on_the_page_too(client, ann, entries):
    client.force_login(ann)
    page = f"/submissions/{entries[0].pk}/"
    assert "Let this entry count" in client.get(page).content.decode()
    answer = client.post(f"{page}choice/", follow=True)
    assert "This entry counts when the phase ends." in answer.content.decode()
    assert "Let the best shown entry count" in answer.content.decode()
    client.post(f"{page}choice/", {"undo": "1"})
    assert not Submission.objects.filter(is_chosen=True).exists()


def test_a_hidden_choice_gives_way_to_the_best_shown(client, ann, entries):
    client.force_login(ann)
    client.put(f"/api/v1/submissions/{entries[0].pk}/choice")
    actions.set_hidden(submission=entries[0], is_hidden=True)
    assert standing("private") == entries[1]


def test_nothing_is_chosen_after_the_end(client, ann, entries):
    Phase.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    client.force_login(ann)
    answer = client.put(f"/api/v1/submissions/{entries[0].pk}/choice")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "PHASE_CLOSED")
    assert "Which entry counts" not in client.get(f"/submissions/{entries[0].pk}/").content.decode()


def test_what_cannot_count_cannot_be_chosen(client, ann, phase, entries):
    client.force_login(ann)
    waiting = make_submission(ann, phase)
    actions.set_hidden(submission=entries[0], is_hidden=True)
    for entry in (waiting, entries[0]):
        answer = client.put(f"/api/v1/submissions/{entry.pk}/choice")
        assert (answer.status_code, answer.json()["error_code"]) == (409, "NOT_SCORED")


def test_only_a_member_of_the_team_chooses(entries):
    for user, status in (
        (make_staff("operator"), 403),
        (make_user("boss", is_staff=True), 404),
        (make_member("eve"), 404),
        (None, 401),
    ):
        client = Client()
        if user:
            client.force_login(user)
        assert client.put(f"/api/v1/submissions/{entries[0].pk}/choice").status_code == status
    assert not Submission.objects.filter(is_chosen=True).exists()


def test_in_practice_there_is_nothing_to_choose(client, ann):
    entry = evaluated(user=ann, phase=make_phase())
    client.force_login(ann)
    answer = client.put(f"/api/v1/submissions/{entry.pk}/choice")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "CHOICE_NOT_NEEDED")


def test_without_public_cases_the_last_entry_counts(ann):
    phase = make_phase(make_dataset(truth=TRUTH, splits=["private"] * 10))
    first, last = (evaluated(user=ann, phase=phase, values=values) for values in (TRUTH, [0.5] * 10))
    assert standing("private") == last
    assert first.latest.scores["private"]["auc"] > last.latest.scores["private"]["auc"]


def test_a_re_evaluation_climbs_after_what_was_known_before(ann, phase, entries):
    actions.re_evaluate(submission=entries[0])
    actions.evaluate(evaluation_id=entries[0].latest.pk, worker="w")
    shown = Evaluation.objects.filter(is_current=True).order_by("submission__created_at")
    assert list(shown.values_list("shown_score", flat=True)) == [None, 1.0]


def test_a_hidden_entry_sets_no_bar(ann, phase, entries):
    actions.set_hidden(submission=entries[1], is_hidden=True)
    third = evaluated(user=ann, phase=phase, values=GOOD_IN_PUBLIC)
    assert third.latest.shown_score == 1.0
    assert standing("shown") == third
