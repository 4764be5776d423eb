"""Single cases of a submission: who sees which, sorted, filtered, and two entries against each other."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from submissions.models import Case, Phase, Submission
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SPLITS = ["public"] * 4 + ["private"] * 4 + ["sample"] * 4
TRUTH = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
VALUES = [0.11, 0.83, 0.22, 0.41, 0.35, 0.92, 0.64, 0.77, 0.71, 0.29, 0.05, 0.97]
# Of the samples: case8 false positive by 0.71, case9 false negative by 0.71, case10 and case11 nearly right.


@pytest.fixture
def ann(client):
    user = make_member("ann")
    client.force_login(user)
    return user


@pytest.fixture
def phase():
    return make_phase(make_dataset(truth=TRUTH, splits=SPLITS), slug="p")


@pytest.fixture
def entry(ann, phase):
    return evaluated(user=ann, phase=phase, values=VALUES)


def listed(client, entry, query=""):
    page = client.get(f"/submissions/{entry.pk}/cases/{query}").context["page"]
    return [case.public_id for case in page]


def test_before_the_end_a_team_sees_its_sample_cases_alone(client, entry):
    assert listed(client, entry) == ["case8", "case9", "case10", "case11"]
    for hidden in range(8):
        assert client.get(f"/submissions/{entry.pk}/case/?id=case{hidden}").status_code == 404
    assert listed(client, entry, "?split=public") == []


@pytest.mark.parametrize(("is_published", "n"), [(False, 4), (True, 12)])
def test_after_the_end_the_cases_that_count_wait_for_the_published_truth(client, entry, phase, is_published, n):
    Phase.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    if is_published:
        phase.dataset.revealed_at = timezone.now()
        phase.dataset.save(update_fields=["revealed_at"])
    assert len(listed(client, entry)) == n


def test_in_practice_everything_is_shown_at_once(client, ann):
    practice = make_phase(make_dataset(truth=TRUTH, splits=["public"] * 12))
    assert len(listed(client, evaluated(user=ann, phase=practice, values=VALUES))) == 12


def test_its_organiser_sees_every_case_with_its_data_and_nobody_else_any(entry, phase):
    organiser, stranger = Client(), Client()
    organiser.force_login(make_staff("organiser", phase))
    stranger.force_login(make_member("bob"))
    assert len(listed(organiser, entry)) == 12
    assert "1, 2, 3" in organiser.get(f"/submissions/{entry.pk}/case/?id=case0").content.decode()
    assert stranger.get(f"/submissions/{entry.pk}/cases/").status_code == 404


def test_a_participant_does_not_read_the_data_of_a_case(client, entry):
    assert client.get(f"/submissions/{entry.pk}/case/?id=case8").context["case"].facts == {}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("?outcome=false+negative", ["case9"]),
        ("?outcome=false+positive", ["case8"]),
        ("?sort=certain", ["case11", "case10", "case8", "case9"]),
        ("?sort=id", ["case10", "case11", "case8", "case9"]),
        ("?sort=nonsense", ["case8", "case9", "case10", "case11"]),
        ("?outcome=nonsense", []),
        ("?page=nonsense", ["case8", "case9", "case10", "case11"]),
    ],
)
def test_cases_are_sorted_and_filtered(client, entry, query, ids):
    assert listed(client, entry, query) == ids


def test_the_outcomes_are_counted_and_a_case_keeps_its_list(client, entry):
    context = client.get(f"/submissions/{entry.pk}/cases/").context
    assert dict(context["outcomes"]) == {
        "false positive": 1, "false negative": 1, "true negative": 1, "true positive": 1,
    }  # fmt: skip
    case = client.get(f"/submissions/{entry.pk}/case/?sort=certain&id=case10").context
    assert (case["number"], case["n"], case["previous"], case["following"]) == (2, 4, "case11", "case8")
    # A case that is not in the list of the address is shown in the list of all.
    assert client.get(f"/submissions/{entry.pk}/case/?outcome=right&id=case10").context["n"] == 4


def test_two_entries_differ_most_where_one_moved(client, ann, entry, phase):
    values = list(VALUES)
    values[9], values[10] = 0.95, 0.25  # case9 by 0.66 to the better, case10 by 0.2 to the worse
    second = evaluated(user=ann, phase=phase, values=values)
    context = client.get(f"/submissions/{entry.pk}/differences/?with={second.pk}").context
    assert [pair.first.public_id for pair in context["page"]] == ["case9", "case10", "case11", "case8"]
    assert [round(pair.change, 6) for pair in context["page"]][:2] == [-0.66, 0.2]
    assert (context["n"], context["n_better"], context["n_worse"]) == (4, 1, 1)


def test_entries_of_others_are_no_second_entry(client, ann, entry, phase):
    bob = evaluated(user=make_member("bob"), phase=phase, values=VALUES)
    elsewhere = evaluated(user=ann, phase=make_phase(make_dataset(truth=TRUTH, splits=SPLITS)), values=VALUES)
    for other in (bob.pk, elsewhere.pk, "nonsense"):
        assert client.get(f"/submissions/{entry.pk}/differences/?with={other}").status_code == 404
    assert client.get(f"/submissions/{entry.pk}/differences/").context["others"] == []


def test_predictions_of_another_version_of_the_dataset_belong_to_no_case(client, ann):
    practice = make_phase(make_dataset(truth=TRUTH, splits=["public"] * 12))
    entry = evaluated(user=ann, phase=practice, values=VALUES)
    entry.evaluations.update(dataset_hash="x" * 64)
    page = client.get(f"/submissions/{entry.pk}/cases/")
    assert page.status_code == 200
    assert page.context["page"].paginator.count == 0


def test_no_page_asks_more_for_more_cases(client, ann, asked):
    n = 400
    practice = make_phase(make_dataset(truth=[0, 1] * (n // 2), splits=["public"] * n))
    first, second = (
        evaluated(user=ann, phase=practice, values=[(k * step) % 97 / 97 for k in range(n)]) for step in (7, 11)
    )
    assert Case.objects.count() == n
    assert Submission.objects.count() == 2
    for path in ("cases/?page=3&sort=id", "case/?id=case3", f"differences/?with={second.pk}"):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/submissions/{first.pk}/{path}").status_code == 200
        assert len(asked(queries)) <= 12
