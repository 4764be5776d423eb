"""Texts edited in the browser: versions, preview, somebody else's change, and who may."""

import pytest
from django.urls import reverse

from submissions.editing.versions import difference, save_text
from submissions.models import Acceptance, AuditEvent, SitePage, TextVersion
from submissions.models.participation import digest_of
from submissions.tests.factories import make_phase, make_staff, make_submission, make_user

pytestmark = pytest.mark.django_db
EDIT = "/challenges/p/edit/overview/"


@pytest.fixture
def phase():
    return make_phase(slug="p")


@pytest.fixture
def olga(client, phase):
    olga = make_staff("organiser", phase, name="olga")
    client.force_login(olga)
    return olga


def save(client, body, base="", url=EDIT, button="save"):
    return client.post(url, {"body": body, "base": digest_of(base), button: "1"})


@pytest.mark.slow
def test_each_saved_text_is_a_version_with_its_author_and_what_changed(client, olga, phase):
    save(client, "First line\r\nsecond line")
    save(client, "First line\nanother line", base="First line\nsecond line")
    save(client, "First line\nanother line", base="First line\nanother line")  # the same again
    rows = TextVersion.objects.filter(challenge=phase.challenge).order_by("number")
    assert list(rows.values_list("number", "body", "saved_by_name")) == [
        (1, "First line\nsecond line", "olga"), (2, "First line\nanother line", "olga")
    ]  # fmt: skip
    assert "another line" in client.get("/challenges/p/").content.decode()
    page = client.get(f"{EDIT}versions/2/").content.decode()
    assert "<del>− second line</del>" in page
    assert "<ins>+ another line</ins>" in page
    assert client.get(f"{EDIT}versions/").content.decode().count("olga</td>") == 2
    assert AuditEvent.objects.filter(action="edit", challenge=phase.challenge, actor=olga).count() == 2


def test_an_empty_text_is_no_first_version(client, olga, phase):
    answer = client.post(EDIT, {"body": "", "base": "", "save": "1"}, follow=True)
    assert "there is nothing to save" in answer.content.decode()
    assert not TextVersion.objects.exists()


def test_an_earlier_version_is_shown_again_as_a_new_one(client, olga, phase):
    save(client, "good")
    save(client, "bad", base="good")
    assert client.post(f"{EDIT}versions/1/").status_code == 302
    phase.challenge.refresh_from_db()
    assert phase.challenge.overview == "good"
    assert TextVersion.objects.filter(challenge=phase.challenge).first().number == 3
    assert client.get(f"{EDIT}versions/9/").status_code == 404


def test_a_preview_is_safe_and_stores_nothing(client, olga, phase):
    answer = save(client, "# Task\n<script>alert(1)</script>", button="preview")
    page = answer.content.decode()
    assert "<h2>Task</h2>" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not TextVersion.objects.exists()


def test_what_somebody_else_saved_meanwhile_is_not_overwritten_unseen(client, olga, phase):
    save_text(owner=phase.challenge, name="overview", body="theirs", user=make_user("tom"))
    answer = save(client, "mine", base="")
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "saved by tom while you wrote" in page
    assert "mine</textarea>" in page.replace("\n", "")
    assert digest_of("theirs") in page  # saving once more is a decision
    phase.challenge.refresh_from_db()
    assert phase.challenge.overview == "theirs"
    assert save(client, "mine", base="theirs").status_code == 302


def test_too_long_a_text_is_refused_and_kept_in_the_form(client, olga):
    answer = save(client, "x" * 50_001)
    assert answer.status_code == 400
    assert "x" * 50_001 in answer.content.decode()


@pytest.mark.slow
def test_rules_are_accepted_once_a_version_with_time_and_number(client, phase):
    olga, user = make_staff("organiser", phase), make_user()
    save_text(owner=phase.challenge, name="rules", body="Be *fair*.", user=olga)
    assert "<em>fair</em>" in client.get("/challenges/p/rules/").content.decode()
    client.force_login(user)
    page = client.get("/challenges/p/rules/").content.decode()
    assert "Accept the rules" in page
    client.post("/challenges/p/rules/", {"digest": digest_of("Be *fair*.")})
    client.post("/challenges/p/rules/", {"digest": digest_of("Be *fair*.")})
    assert "You accepted these rules" in client.get("/challenges/p/rules/").content.decode()
    make_submission(user=user, phase=phase)
    save_text(owner=phase.challenge, name="rules", body="Be fairer.", user=olga)
    with pytest.raises(Exception, match="accept the rules"):
        make_submission(user=user, phase=phase)
    client.post("/challenges/p/rules/", {"digest": digest_of("Be *fair*.")})  # the page was open all along
    assert list(Acceptance.objects.values_list("version__number", flat=True)) == [1]
    client.post("/challenges/p/rules/", {"digest": digest_of("Be fairer.")})
    assert sorted(Acceptance.objects.filter(user=user).values_list("version__number", flat=True)) == [1, 2]
    make_submission(user=user, phase=phase)


def test_a_difference_keeps_the_order_of_lines():
    lines = difference("a\nb\nc", "a\nB\nc")
    assert [(line.mark, line.text) for line in lines] == [(" ", "a"), ("-", "b"), ("+", "B"), (" ", "c")]


class TestThePagesOfTheSite:
    def test_staff_write_them_and_everybody_reads_them(self, client):
        assert "not written this page" in client.get("/privacy/").content.decode()
        client.force_login(make_staff("operator", name="op"))
        assert client.post("/privacy/edit/", {"body": "We keep **little**.", "base": ""}).status_code == 302
        client.logout()
        assert "<strong>little</strong>" in client.get("/privacy/").content.decode()
        assert client.get("/elsewhere/").status_code == 404
        assert f'href="{reverse("site_page", args=["imprint"])}"' in client.get("/").content.decode()

    def test_signing_up_records_which_terms_were_accepted(self, client):
        form = {"username": "anna", "email": "anna@example.org", "password1": "a-long-password-9"}
        form["password2"] = form["password1"]
        assert "terms of use" not in client.get("/accounts/signup/").content.decode().partition("<footer")[0]
        page = SitePage.objects.create(name="terms")
        save_text(owner=page, name="body", body="Behave.", user=make_user("op"))
        assert "I accept the terms of use" in client.get("/accounts/signup/").content.decode()
        assert client.post("/accounts/signup/", form).status_code == 200
        assert not Acceptance.objects.exists()
        assert client.post("/accounts/signup/", form | {"terms": "on"}).status_code == 302
        accepted = Acceptance.objects.get()
        assert (accepted.user.username, accepted.version.number, accepted.version.body) == ("anna", 1, "Behave.")
