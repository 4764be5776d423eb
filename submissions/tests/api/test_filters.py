"""`?status=` asks for the state a submission is in now, that of its newest evaluation."""

import re

import pytest

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.tests.factories import evaluated, make_member, make_phase, make_submission, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
URL = "/api/v1/submissions"
STATUSES = ("pending", "running", "completed", "failed", "cancelled")


@pytest.fixture
def ann():
    return make_member("ann")


def run_again(submission):
    actions.re_evaluate(submission=submission)
    return submission.latest


def waiting_again(submission):
    run_again(submission)


def running_again(submission):
    claim(run_again(submission).pk, "w")


def failed_again(submission):
    actions.fail(evaluation=claim(run_again(submission).pk, "w"), code="CSV_IDS")


def cancelled_again(submission):
    run_again(submission)
    actions.cancel(submission=submission)


def scored_again(submission):
    actions.evaluate(evaluation_id=run_again(submission).pk, worker="w")


AGAIN = {
    "pending": waiting_again,
    "running": running_again,
    "failed": failed_again,
    "cancelled": cancelled_again,
    "completed": scored_again,
}


def statuses_listing(client, submission):
    """Return the values of `status` under which the list holds the submission."""
    listed = {status: client.get(URL, {"status": status}).json()["results"] for status in STATUSES}
    return [status for status, rows in listed.items() if str(submission.pk) in [row["id"] for row in rows]]


@pytest.mark.parametrize("newest", AGAIN)
def test_a_scored_submission_that_was_run_again_is_listed_by_the_newest_run(client, ann, newest):
    submission = evaluated(user=ann)
    AGAIN[newest](submission)
    client.force_login(ann)
    assert statuses_listing(client, submission) == [newest]
    assert client.get(f"{URL}/{submission.pk}").json()["evaluation_status"] == newest


def test_a_submission_that_failed_first_is_listed_as_scored(client, ann):
    submission = make_submission(user=ann)
    actions.fail(evaluation=claim(submission.latest.pk, "w"), code="CSV_IDS")
    scored_again(submission)
    client.force_login(ann)
    assert statuses_listing(client, submission) == ["completed"]


def test_a_status_that_does_not_exist_is_refused_with_the_choices(client, ann):
    make_submission(user=ann)
    client.force_login(ann)
    answer = client.get(URL, {"status": "complete"})
    assert answer.status_code == 400
    assert "Choose one of pending, running, completed" in answer.json()["message"]


def test_filters_together_list_what_meets_all_of_them(client, ann):
    first, second = make_phase(slug="first"), make_phase(slug="second")
    scored = evaluated(user=ann, phase=first)
    make_submission(user=ann, phase=first)
    evaluated(user=ann, phase=second)
    client.force_login(ann)
    rows = client.get(URL, {"phase": "first", "status": "completed", "type": "csv"}).json()["results"]
    assert [row["id"] for row in rows] == [str(scored.pk)]
    assert client.get(URL, {"phase": "first", "type": "docker"}).json()["count"] == 0


@pytest.mark.parametrize("newest", AGAIN)
def test_lists_and_the_admin_show_the_newest_run(client, ann, newest):
    submission = evaluated(user=ann)
    AGAIN[newest](submission)
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    assert f'<span class="state {newest}">' in client.get("/admin/submissions/submission/").content.decode()
    client.force_login(ann)
    word = {"pending": "queued", "completed": "scored"}.get(newest, newest)
    assert re.findall(
        r'<span class="badge[^>]*>(\w+)<', client.get("/submissions/", headers={"accept": "text/html"}).content.decode()
    ) == [word]
