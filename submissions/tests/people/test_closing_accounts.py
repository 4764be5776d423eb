"""Closing an account (GDPR 17): what goes, what stays under a pseudonym, and that frozen boards do not change."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

from leaderboard.models import Standing
from submissions.accounts.tokens import create_token
from submissions.models import ApiToken, AuditEvent, Message, Phase, Profile, Submission, Team, Upload, Webhook
from submissions.models.team import team_of
from submissions.storage.files import store
from submissions.teams.membership import join_team, leave_team
from submissions.tests.factories import evaluated, make_member, make_phase, make_submission, make_user
from submissions.uploads.kept import keep_predictions

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PASSWORD = {"password": "a-long-password"}


@pytest.fixture
def ann(client):
    user = make_member("ann", "Ann's own team")
    user.email = "ann@example.org"
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.force_login(user)
    return user


def close(client):
    return client.post("/account/data/close/", PASSWORD)


def test_whoever_sent_nothing_is_deleted(client, ann):
    assert close(client).status_code == 302
    assert not get_user_model().objects.filter(pk=ann.pk).exists()
    assert not Team.objects.exists()
    line = AuditEvent.objects.get()
    assert (line.action, "ann" in str(line)) == ("close account", False)


def test_nothing_that_names_the_person_is_left(client, ann):
    links = {"code_url": "https://ann.example/code", "paper_url": "https://ann.example/paper"}
    submission = evaluated(user=ann, title="Ann's model", comment="by Ann", model_name="AnnNet", **links)
    create_token(user=ann, name="laptop")
    Profile.objects.create(user=ann, display_name="Ann Example", is_public=True)
    Message.objects.create(user=ann, kind="team", key="k", subject="s", text="Hello ann")
    Webhook.objects.create(user=ann, url="https://ann.example/", kinds=[])
    upload = keep_predictions(ann, "ann.csv", b"x")
    close(client)
    ann.refresh_from_db()
    assert ann.username.startswith("deleted-")
    assert (ann.email, ann.is_active, ann.has_usable_password()) == ("", False, False)
    for model in (EmailAddress, ApiToken, Profile, Message, Webhook, Upload):
        assert not model.objects.exists(), model
    assert store().size(upload.key) is None
    submission.refresh_from_db()
    assert (submission.title, submission.comment, submission.original_name) == ("", "", "deleted")
    assert (submission.model_name, submission.code_url, submission.paper_url) == ("", "", "")
    assert submission.team.name.startswith("deleted team ")
    assert store().size(submission.file or "gone") is None
    assert not submission.file


def test_the_entry_of_an_ended_phase_stays_and_that_of_an_open_one_goes(client, ann):
    ended, running = make_phase(slug="ended"), make_phase(slug="running")
    for phase in (ended, running):
        evaluated(user=ann, phase=phase)
    Phase.objects.filter(pk=ended.pk).update(closes_at=timezone.now() - timedelta(hours=1))
    close(client)
    assert set(Standing.objects.values_list("phase__slug", flat=True)) == {"ended"}
    board = client.get("/leaderboards/ended/").content.decode()
    assert "deleted team" in board
    assert "Ann" not in board


def test_what_a_team_with_others_has_stays_the_team_s(client, ann):
    ben = make_member("ben", "Ben")
    leave_team(user=ben)
    join_team(user=ben, code=team_of(ann).code)
    submission = evaluated(user=ann, title="Our model")
    close(client)
    submission.refresh_from_db()
    assert (submission.title, submission.team.name, submission.is_hidden) == ("Our model", "Ann's own team", False)
    assert submission.file
    assert submission.user.username.startswith("deleted-")
    assert submission.team.memberships.get(user=ben).is_owner


def test_a_waiting_evaluation_is_cancelled(client, ann):
    submission = make_submission(user=ann)
    close(client)
    assert submission.latest.status == "cancelled"


def test_a_wrong_password_closes_nothing_and_is_counted(client, ann, settings):
    settings.AXES_FAILURE_LIMIT = 3
    answers = [client.post("/account/data/close/", {"password": "wrong"}).status_code for _ in range(4)]
    assert answers[0] == 400
    assert answers[-1] in (400, 429)
    ann.refresh_from_db()
    assert ann.is_active


def test_staff_are_not_closed_by_themselves(client, ann):
    get_user_model().objects.filter(pk=ann.pk).update(is_staff=True)
    answer = client.post("/account/data/close/", PASSWORD)
    assert answer.status_code == 409
    assert get_user_model().objects.filter(pk=ann.pk, username="ann").exists()


def test_the_session_and_the_name_are_free_afterwards(client, ann):
    evaluated(user=ann)
    close(client)
    assert client.get("/account/").status_code == 302
    client.post("/accounts/login/", {"login": "ann", **PASSWORD})
    assert "_auth_user_id" not in client.session
    form = {
        "username": "ann",
        "email": "new@example.org",
        "password1": "quite-another-1",
        "password2": "quite-another-1",
    }
    client.post("/accounts/signup/", form)
    assert get_user_model().objects.filter(username="ann").exists()


def test_an_earlier_team_in_which_nobody_is_left_is_renamed_too(client, ann):
    evaluated(user=ann)
    old = team_of(ann)
    leave_team(user=ann)
    close(client)
    old.refresh_from_db()
    assert old.name.startswith("deleted team ")
    assert Submission.objects.get().is_hidden


def test_the_page_says_what_is_kept(client, ann):
    assert "so nothing is kept" in client.get("/account/data/").content.decode()
    evaluated(user=ann)
    page = client.get("/account/data/").content.decode()
    assert "the rows of your 1 submission" in page
    assert "Ann&#x27;s own team" in page


def test_a_model_call_and_other_links_are_cut(ann, client):
    Prediction = apps.get_model("inference", "Prediction")  # an app that this one must not import
    evaluated(user=ann)
    other = make_user("ben")
    for user in (ann, other):
        call = {"request_id": user.username, "at": timezone.now(), "caller": str(user.pk), "milliseconds": 1}
        Prediction.objects.create(user=user, endpoint="lesion", status=200, **call)
    close(client)
    assert set(Prediction.objects.values_list("user__username", flat=True)) == {None, "ben"}
