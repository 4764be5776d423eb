"""The text of every mail about an account, a team or a request, word by word; and the form that all mails have."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage

from submissions import tasks
from submissions.accounts.lockout_mail import mail_owner
from submissions.mail import html_of, queue_mail
from submissions.models import Incident
from submissions.participation.requests import ask_to_take_part, decide
from submissions.teams.invitations import invite
from submissions.tests.factories import make_member, make_phase, make_staff, make_user
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db
PASSWORDS = {"password1": "another-passphrase", "password2": "another-passphrase"}
SIGNATURE = "This mail was sent by lunasite at board.example.org."


@pytest.fixture(autouse=True)
def public_site(settings):
    settings.SITE_URL, settings.SITE_HOST = "https://board.example.org", "board.example.org"
    settings.ALLOWED_HOSTS = ["board.example.org", "testserver"]


def sent():
    """Return (recipient, subject, text) of the newest mail, its secret and its times written as letters."""
    found = sent_mails()[-1]
    text = re.sub(r"/(key|confirm-email|invitation)/[^/\s]+/", r"/\1/SECRET/", found.body)
    return found.to, found.subject, re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)


def test_signing_up(client):
    client.post("/accounts/signup/", {"username": "ann", "email": "ann@example.org", **PASSWORDS})
    assert sent() == (
        ["ann@example.org"],
        "[lunasite] Confirm your e-mail address",
        "Hello from lunasite!\n\n"
        "The account ann gave this e-mail address as its own. To confirm it, open:\n"
        "https://board.example.org/accounts/confirm-email/SECRET/\n\n"
        "If this was not you, do nothing; without the confirmation the address is not used.\n\n" + SIGNATURE,
    )


def test_signing_up_with_an_address_that_is_taken(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"  # as on a site with a mail server
    user = make_user("ann", email="ann@example.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.post("/accounts/signup/", {"username": "benjamin", "email": "ann@example.org", **PASSWORDS})
    assert sent() == (
        ["ann@example.org"],
        "[lunasite] You have an account already",
        "Hello from lunasite!\n\n"
        "Somebody tried to sign up with ann@example.org, but an account with this address exists.\n\n"
        "If this was you, sign in; where you forgot the password, choose a new one:\n"
        "https://board.example.org/accounts/password/reset/\n\n"
        "If this was not you, do nothing.\n\n" + SIGNATURE,
    )


def test_asking_for_a_new_password(client):
    make_user("ann", email="ann@example.org")
    client.post("/accounts/password/reset/", {"email": "ann@example.org"})
    assert sent() == (
        ["ann@example.org"],
        "[lunasite] Choose a new password",
        "Hello from lunasite!\n\n"
        "Somebody asked for a new password for the account ann. To choose one, open:\n"
        "https://board.example.org/accounts/password/reset/key/SECRET/\n\n"
        "If this was not you, do nothing; your password stays as it is.\n\n" + SIGNATURE,
    )


def test_asking_for_a_new_password_of_no_account(client):
    client.post("/accounts/password/reset/", {"email": "ann@example.org"})
    assert sent() == (
        ["ann@example.org"],
        "[lunasite] No account has this address",
        "Hello from lunasite!\n\n"
        "Somebody asked for a new password for ann@example.org, but no account has this address.\n\n"
        "If this was you, you may have signed up with another address. To make an account, open:\n"
        "https://board.example.org/accounts/signup/\n\n"
        "If this was not you, do nothing.\n\n" + SIGNATURE,
    )


def test_many_wrong_passwords():
    user = make_user("ann", email="ann@example.org")
    mail_owner(account=f"user {user.pk}")
    assert sent() == (
        ["ann@example.org"],
        "[lunasite] Many wrong passwords for your account",
        "50 wrong passwords were tried on your account ann at https://board.example.org. From now on each further "
        "attempt has to wait; your password was not changed.\n\n"
        "If it was not you: a long password of its own for this site, and a second factor, keep others out. "
        "https://board.example.org/account/\n",
    )


def test_an_invitation():
    invite(user=make_member("ann", "Lung Rangers"), email="ben@example.org")
    assert sent() == (
        ["ben@example.org"],
        "[lunasite] ann invites you to the team Lung Rangers",
        "ann invites you to the team Lung Rangers on https://board.example.org.\n\n"
        "Join it here: https://board.example.org/team/invitation/SECRET/\n\n"
        "The link is good once, until TIME UTC. If you do not know what this is about, do nothing.\n",
    )


def test_a_request_to_take_part_and_its_answer(django_capture_on_commit_callbacks):
    phase = make_phase(slug="p", title="Final")
    organiser = make_staff("organiser", phase, name="olga", email="olga@example.org")
    ann = make_user("ann", email="ann@example.org")
    with django_capture_on_commit_callbacks(execute=True):
        row = ask_to_take_part(phase=phase, user=ann, sentence="I train networks.")
    assert sent() == (
        ["olga@example.org"],
        "[lunasite] ann asks to take part in Final",
        "ann asks to take part in Final:\n\nI train networks.\n\n"
        "Decide here: https://board.example.org/admin/submissions/participation/?status__exact=requested\n",
    )
    with django_capture_on_commit_callbacks(execute=True):
        decide(participation=row, organiser=organiser, is_accepted=True)
    assert sent() == (
        ["ann@example.org"],
        "[lunasite] Your request for Final was accepted",
        "The organisers accepted your request to take part in Final.\nhttps://board.example.org/challenges/p/\n",
    )


def test_a_part_that_is_away():
    from django.utils import timezone

    make_staff("operator", email="boss@example.org")
    incident = Incident.objects.create(part="storage", opened_at=timezone.now())
    tasks.alert_incident(incident.pk)
    assert sent() == (
        ["boss@example.org"],
        f"[lunasite] Away: {incident}",
        f"{incident}: since TIME UTC. What needs it waits, uncounted, and goes on by itself.\n"
        f"https://board.example.org/admin/submissions/incident/{incident.pk}/change/\n",
    )


class TestTheForm:
    def test_every_mail_is_text_and_html(self):
        queue_mail(EmailMessage("Hello", "Text", "s@example.org", ["ann@example.org"]))
        message = sent_mails()[0].message()
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.get_payload()] == ["text/plain", "text/html"]

    def test_the_html_says_what_the_text_says_under_the_site_s_name(self):
        html = html_of("Hello", "First line\nsecond\n\nOther paragraph\n")
        assert "lunasite" in html
        assert re.findall(r"<p [^>]*anywhere\">(.*?)</p>", html, re.DOTALL) == [
            "First line<br>\nsecond", "Other paragraph",
        ]  # fmt: skip

    def test_only_addresses_of_this_site_become_links(self):
        html = html_of("x", "evil.example joined http://evil.example/ see https://board.example.org/team/.")
        assert re.findall(r'href="([^"]*)"', html) == ["https://board.example.org/team/"]
        other = html_of("x", "https://board.example.org.evil.example/ and https://board.example.org:1/")
        assert "href" not in other

    def test_a_name_cannot_bring_markup(self):
        html = html_of("<b>x</b>", 'https://board.example.org/"><script>alert(1)</script> <img src=x>')
        assert "<script" not in html
        assert "<img" not in html
        assert "<b>x" not in html
