"""Taking one's data along (GDPR 20), and the profile."""

import io
import json
import zipfile
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.signals import request_finished
from django.db import close_old_connections
from django.utils import timezone

from lunasite.http.limits import made_files
from submissions.accounts.tokens import create_token
from submissions.models import Acceptance, AuditEvent, Message, Profile, SitePage, Submission, TextVersion, Webhook
from submissions.people import export
from submissions.tests.factories import csv_bytes, evaluated, make_dataset, make_member, make_phase

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def ann(client):
    user = make_member("ann", "Lung Rangers")
    client.force_login(user)
    return user


def exported(client):
    answer = client.post("/account/data/export/")
    assert answer.status_code == 200
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def test_everything_about_me_and_nothing_about_others(client, ann):
    evaluated(user=ann, phase=make_phase(slug="p"), title="Mine")
    evaluated(user=make_member("ben", "Ben's"), title="Not mine")
    _, token = create_token(user=ann, name="laptop")
    hook = Webhook.objects.create(user=ann, url="https://ann.example/", kinds=["scored"])
    Message.objects.create(user=ann, kind="team", key="k", subject="Hello", text="Text")
    Profile.objects.create(user=ann, display_name="Ann Example")
    archive = exported(client)
    tables = {name[:-5]: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}
    assert tables["account"]["username"] == "ann"
    assert tables["account"]["profile"]["display_name"] == "Ann Example"
    assert tables["team"]["name"] == "Lung Rangers"
    assert [row["title"] for row in tables["submissions"]] == ["Mine"]
    assert tables["submissions"][0]["scores"]["public"]["auc"] == pytest.approx(23 / 24, abs=1e-4)
    assert archive.read(tables["submissions"][0]["file"]) == csv_bytes()
    assert tables["messages"][0]["subject"] == "Hello"
    everything = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (token, hook.key, ann.password, "Ben's", "Not mine"):
        assert secret.encode() not in everything
    assert AuditEvent.objects.get().action == "export account"


# Where the export has each row that refers to a person, or why it has not.
IN_THE_EXPORT = {
    "account.EmailAddress.user": "account", "inference.Feedback.user": "feedback",
    "inference.Prediction.user": "prediction", "submissions.Acceptance.user": "acceptances",
    "submissions.ApiToken.user": "tokens", "submissions.AuditEvent.actor": "audit_log",
    "submissions.DatasetImport.user": "dataset_imports", "submissions.MailChoice.user": "account",
    "submissions.Membership.user": "team", "submissions.Message.user": "messages",
    "submissions.ModelArchive.user": "model_archives", "submissions.NewsPost.author": "news",
    "submissions.Participation.user": "participations", "submissions.Profile.user": "account",
    "submissions.Submission.user": "submissions", "submissions.TeamInvitation.invited_by": "invitations",
    "submissions.Upload.user": "uploads", "submissions.Webhook.user": "webhooks",
}  # fmt: skip
NOT_IN_THE_EXPORT = {
    "secret": {"mfa.Authenticator.user", "submissions.UsernameSkeleton.user"},
    "rights that an operator gave": {
        "auth.User_groups.user", "auth.User_user_permissions.user", "submissions.Challenge_organisers.user",
        "submissions.Challenge.organisers",
    },
    "decisions about others or about the site, in the audit log too": {
        "admin.LogEntry.user", "inference.Feedback.reviewer", "inference.Feedback.second_reader",
        "submissions.ChallengeImage.uploaded_by", "submissions.DataFile.added_by", "submissions.Dataset.owner",
        "submissions.Participation.decided_by", "submissions.TextVersion.saved_by",
    },
    "the team's": {"submissions.Webhook.made_by"},
}  # fmt: skip


def test_every_table_that_refers_to_a_person_is_in_it_or_left_out_for_a_reason(client, ann):
    """A new table has to be named here."""
    relations = [each for each in get_user_model()._meta.get_fields(include_hidden=True) if each.auto_created]
    found = {f"{each.related_model._meta.label}.{each.field.name}" for each in relations if not each.concrete}
    assert found == set(IN_THE_EXPORT).union(*NOT_IN_THE_EXPORT.values())
    assert {f"{name}.json" for name in IN_THE_EXPORT.values()} <= set(exported(client).namelist())


def test_the_method_the_consents_and_what_was_said_of_answers_are_in_it(client, ann):
    evaluated(user=ann, model_name="Ann's net", code_url="https://ann.example/code")
    terms = TextVersion.objects.create(
        page=SitePage.objects.create(name="terms"), name="body", number=3, body="Be fair."
    )
    Acceptance.objects.create(user=ann, version=terms)
    feedback = {"predicted_class": "normal", "label": "normal", "is_correct": True, "width": 8, "height": 8}
    for number, who in enumerate((ann, make_member("ben"))):
        note = f"said by {who}"
        apps.get_model("inference.Feedback").objects.create(
            user=who, note=note, review_note="a reviewer's", picture=f"{number}.png", sha256="0" * 64, **feedback
        )
    archive = exported(client)
    tables = {name: json.loads(archive.read(f"{name}.json")) for name in ("submissions", "acceptances", "feedback")}
    [sent], [accepted], [said] = tables.values()
    assert (sent["model_name"], sent["code_url"]) == ("Ann's net", "https://ann.example/code")
    assert (accepted["version__page__name"], accepted["version__number"]) == ("terms", 3)
    assert said["note"] == "said by ann"
    assert b"a reviewer's" not in archive.read("feedback.json")


def test_without_room_for_it_no_file_is_begun(client, ann, monkeypatch):
    evaluated(user=ann, phase=make_phase(slug="p"))
    needed = Submission.objects.get().size_bytes + export.MAX_TABLE_BYTES + settings.FREE_SPACE_BYTES
    begun = []
    monkeypatch.setattr(made_files.tempfile, "TemporaryFile", lambda: begun.append(1) or io.BytesIO())
    monkeypatch.setattr(made_files.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
    answer = client.post("/account/data/export/")
    assert (answer.status_code, begun) == (507, [])
    assert "no room to make the file now" in answer.content.decode()
    monkeypatch.setattr(made_files.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
    assert exported(client).namelist()


def test_the_file_is_gone_once_it_is_sent_or_cannot_be_made(client, ann, monkeypatch):
    made = []
    real = made_files.tempfile.TemporaryFile
    monkeypatch.setattr(made_files.tempfile, "TemporaryFile", lambda: made.append(real()) or made[-1])
    answer = client.post("/account/data/export/")
    request_finished.disconnect(close_old_connections)  # as the test client does: the test needs its connection
    answer.close()
    request_finished.connect(close_old_connections)
    monkeypatch.setattr(export, "_tables", lambda user: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        client.post("/account/data/export/")
    assert [file.closed for file in made] == [True, True]


def test_scores_that_a_competition_hides_are_not_in_it(client, ann):
    dataset = make_dataset(truth=[0, 1, 0, 1, 1, 0, 1, 0, 1, 0], splits=["public"] * 5 + ["private"] * 5)
    submission = evaluated(user=ann, phase=make_phase(dataset=dataset))
    archive = exported(client)
    (row,) = json.loads(archive.read("submissions.json"))
    assert "private" in submission.latest.scores
    assert "private" not in row["scores"]


def test_the_end_of_a_run_is_as_coarse_as_on_its_page(client, ann):
    """A container that has seen hidden images could speak through the moment at which it ends."""
    started = timezone.now() - timedelta(hours=2)
    submission = evaluated(user=ann, phase=make_phase(disclosure="competition"))
    Submission.objects.filter(pk=submission.pk).update(submission_type="docker")
    submission.evaluations.update(started_at=started, finished_at=started + timedelta(seconds=33.271828))
    (row,) = json.loads(exported(client).read("submissions.json"))
    (run,) = row["evaluations"]
    told = datetime.fromisoformat(run["finished_at"]) - started
    assert told.total_seconds() == pytest.approx(40, abs=0.01)


def test_large_files_are_named_with_their_address(client, ann, monkeypatch):
    monkeypatch.setattr(export, "MAX_FILE_BYTES", 10)
    submission = evaluated(user=ann)
    archive = exported(client)
    (row,) = json.loads(archive.read("submissions.json"))
    assert row["file"].endswith(f"/api/v1/submissions/{submission.pk}/file")
    assert not [name for name in archive.namelist() if name.startswith("files/")]


class TestTheProfile:
    FORM = {"display_name": "Ann Example", "affiliation": "A hospital", "homepage": "https://ann.example/"}

    def test_nobody_sees_it_before_its_person_says_so(self, client, ann):
        client.post("/account/profile/", self.FORM)
        assert client.get("/people/ann/").status_code == 404
        client.post("/account/profile/", self.FORM | {"is_public": "on"})
        client.logout()
        page = client.get("/people/ann/").content.decode()
        assert "Ann Example" in page
        assert "A hospital" in page
        assert 'rel="nofollow noopener ugc"' in page

    def test_it_lists_public_boards_only(self, client, ann):
        for slug, fields in (("open", {}), ("hidden", {"is_hidden": True}), ("closed", {"board_is_public": False})):
            evaluated(user=ann, phase=make_phase(slug=f"p-{slug}", title=f"Phase {slug}"))
            type(make_phase()).objects.filter(slug=f"p-{slug}").update(**fields)
        client.post("/account/profile/", self.FORM | {"is_public": "on"})
        page = client.get("/people/ann/").content.decode()
        assert "Phase open" in page
        assert "Phase hidden" not in page
        assert "Phase closed" not in page

    @pytest.mark.parametrize(
        "change",
        [{"homepage": "javascript:alert(1)"}, {"display_name": "Organisers"}, {"display_name": "x" * 81}],
        ids=["script", "reserved", "long"],
    )
    def test_what_is_refused(self, client, ann, change):
        assert client.post("/account/profile/", self.FORM | change).status_code == 400
        assert not Profile.objects.exists()
