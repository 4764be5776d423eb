"""Many at once, on PostgreSQL: no quota overrun, no double run, no deadlock, no 5xx."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from leaderboard.models import Standing
from submissions import actions
from submissions.accounts.tokens import create_token
from submissions.actions.evaluate import claim
from submissions.models import Evaluation, Membership, PeriodicJob, Submission, Team, UsernameSkeleton
from submissions.teams.membership import TeamError, create_team, leave_team
from submissions.tests.factories import csv_file, make_member, make_phase, make_submission, make_user

PASSWORD = "correct-horse-battery"
pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def at_once(count, work):
    """Run `work(i)` in `count` threads, each with its own connection."""

    def one(i):
        try:
            return work(i)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize(("limit", "posts"), [(5, 20), (3, 20), (1, 2)])
def test_parallel_posts_never_exceed_the_quota(limit, posts):
    user = make_member()
    make_phase(slug="p", quotas=[(limit, timedelta(days=7))])
    token = create_token(user=user, name="t")[1]

    def post(i):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client.post("/api/v1/submissions", {"phase": "p", "file": csv_file()}, format="multipart")

    answers = at_once(posts, post)
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * limit + [429] * (posts - limit)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.json()["details"]["next_try_at"] and answer["Retry-After"] for answer in refused)
    assert Submission.objects.count() == limit


def test_a_task_delivered_eight_times_at_once_runs_once():
    submission = make_submission()
    at_once(8, lambda i: actions.evaluate(evaluation_id=submission.latest.pk, worker=f"w{i}"))
    evaluation = submission.latest
    assert (evaluation.status, evaluation.attempt) == ("completed", 1)
    assert evaluation.events.filter(stage="scored").count() == 1


def test_a_row_is_claimed_by_one_of_many():
    evaluation = make_submission().latest
    claims = at_once(10, lambda i: claim(evaluation.pk, f"w{i}"))
    assert sum(item is not None for item in claims) == 1


def test_a_teams_runs_that_finish_at_once_leave_one_standing():
    user, phase = make_member(), make_phase()
    submissions = [make_submission(user=user, phase=phase) for _ in range(6)]
    at_once(6, lambda i: actions.evaluate(evaluation_id=submissions[i].latest.pk, worker="w"))
    assert Evaluation.objects.filter(status="completed").count() == 6
    assert Standing.objects.count() == 1


def test_cancelling_while_claiming_leaves_one_truth():
    for _ in range(5):
        submission = make_submission()
        at_once(
            2,
            lambda i, submission=submission: (
                actions.evaluate(evaluation_id=submission.latest.pk, worker="w") if i else _cancel(submission)
            ),
        )
        assert submission.latest.is_finished
        assert Standing.objects.filter(evaluation__submission=submission).exists() == (
            submission.latest.status == "completed"
        )


def _cancel(submission):
    from lunasite.http.errors import ApiError

    try:
        actions.cancel(submission=submission)
    except ApiError:
        return


def test_a_double_click_at_once_makes_one_row():
    user, phase = make_member(), make_phase()
    made = at_once(4, lambda i: make_submission(user=user, phase=phase, idempotency_key="same"))
    assert len({submission.pk for submission in made}) == 1


def test_of_teams_that_look_alike_and_are_made_at_once_one_stays():
    users = [make_user() for _ in range(6)]
    names = ["Alveoli", "\u0410lveoli", "AIveoli", "A1veo1i", "alve\u043eli", "ALVEOLI"]

    def make(i):
        try:
            return create_team(user=users[i], name=names[i])
        except TeamError as error:
            return str(error)

    made = at_once(6, make)
    assert Team.objects.count() == Membership.objects.count() == 1
    assert sum("looks like one" in str(answer) for answer in made) == 5


def test_of_users_that_look_alike_and_sign_up_at_once_one_stays():
    names = ["alice", "\u0430lice", "aIice", "a1ice"]
    Client().get("/accounts/signup/")  # loads the middleware once, before threads do so at the same time

    def sign_up(i):
        form = {"username": names[i], "email": f"{i}@example.org", "password1": PASSWORD, "password2": PASSWORD}
        return Client().post("/accounts/signup/", form).status_code

    statuses = at_once(4, sign_up)
    assert set(statuses) <= {200, 302}
    assert get_user_model().objects.count() == UsernameSkeleton.objects.count() == 1


def test_of_many_workers_one_keeps_house():
    assert sum(at_once(8, lambda i: PeriodicJob.acquire("sweep", 60))) == 1


def test_sweeping_at_once_returns_lost_work_once():
    submission = make_submission()
    claim(submission.latest.pk, "dead")
    Evaluation.objects.update(lease_until="2020-01-01T00:00Z")
    assert sum(lost for lost, _ in at_once(6, lambda i: actions.sweep())) == 1
    assert submission.latest.failed_attempts == 1


def test_who_leaves_while_submitting_gets_a_clear_answer():
    make_phase(slug="p")
    for number in range(6):
        user = make_member(f"leaver{number}")
        token = create_token(user=user, name="t")[1]

        def post(token):
            client = APIClient()
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
            return client.post(
                "/api/v1/submissions", {"phase": "p", "file": csv_file()}, format="multipart"
            ).status_code

        def leave(user):
            leave_team(user=user)
            return 200

        works = [(post, token), (leave, user)]
        posted, left = at_once(2, lambda i, works=works: works[i][0](works[i][1]))
        assert (posted in (201, 409), left) == (True, 200)
        assert user.submissions.count() == (posted == 201)
