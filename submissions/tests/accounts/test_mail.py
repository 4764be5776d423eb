"""Mail, and what happens when its server is away (row F21); who may have which user name."""

import smtplib
import socket

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django_q.models import OrmQ, Schedule

from submissions.mail import PAUSES_MINUTES, deliver, queue_mail
from submissions.queues import ERRANDS_CLUSTER
from submissions.teams.invitations import invite
from submissions.tests.factories import make_member, make_user
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db

GONE = [
    ConnectionRefusedError(),
    TimeoutError(),
    smtplib.SMTPServerDisconnected("bye"),
    smtplib.SMTPDataError(451, b"later"),
]


@pytest.fixture
def server_away(monkeypatch):
    def break_with(error):
        def refuse(*args, **kwargs):
            raise error

        monkeypatch.setattr("submissions.mail.send_mail", refuse)

    return break_with


@pytest.fixture
def silent_server(settings):
    """A mail server to which anybody can connect, and which never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        server.setblocking(False)
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        settings.EMAIL_USE_TLS, settings.EMAIL_TIMEOUT = False, 0.2
        yield server


class TestWhenTheServerIsAway:
    @pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
    @pytest.mark.slow
    def test_the_mail_is_tried_again_later(self, server_away, error):
        server_away(error)
        queue_mail(EmailMessage("Hello", "Text", "site@example.org", ["ann@example.org"]))
        assert sent_mails() == []
        later = Schedule.objects.get()
        assert later.func == "submissions.mail.deliver"
        assert later.schedule_type == Schedule.ONCE

    def test_it_is_given_up_in_the_end(self, server_away):
        server_away(TimeoutError())
        deliver("Hello", "Text", "site@example.org", "ann@example.org", tries=len(PAUSES_MINUTES))
        assert not Schedule.objects.exists()

    def test_the_later_try_sends_what_was_meant(self, server_away, monkeypatch):
        import ast

        server_away(TimeoutError())
        queue_mail(EmailMessage('It\'s "here"', "Line\nand\n", "site@example.org", ["ann@example.org"]))
        sent_mails()
        monkeypatch.undo()
        deliver(*ast.literal_eval(Schedule.objects.get().args))
        assert (mail.outbox[0].subject, mail.outbox[0].body) == ('It\'s "here"', "Line\nand\n")

    @pytest.mark.slow
    def test_no_page_waits_for_a_server_that_takes_connections_and_says_nothing(self, silent_server, client):
        make_user("ann", email="ann@example.org")
        answer = client.post("/accounts/password/reset/", {"email": "ann@example.org"})
        assert answer.status_code == 302
        words = {"password1": "another-passphrase", "password2": "another-passphrase"}
        answer = client.post("/accounts/signup/", {"username": "ben", "email": "b@example.org", **words})
        assert answer.status_code == 302
        invite(user=make_member("carla"), email="dan@example.org")
        assert OrmQ.objects.filter(key=ERRANDS_CLUSTER).count() == 3
        with pytest.raises(BlockingIOError):
            silent_server.accept()
        assert sent_mails() == []  # the worker waits for it, and plans the next try
        assert Schedule.objects.count() == 3


@pytest.mark.parametrize(("host", "is_told"), [("mail.example.org", True), ("", False)])
def test_a_mail_is_announced_only_where_a_server_sends_it(client, settings, host, is_told):
    settings.EMAIL_HOST = host
    words = {"password1": "another-passphrase", "password2": "another-passphrase"}
    client.post("/accounts/signup/", {"username": "ann", "email": "ann@example.org", **words})
    assert ("e-mail sent to ann@example.org" in client.get("/").content.decode()) is is_told


class TestResettingThePassword:
    def test_the_link_works_once(self, client):
        user = make_user("ann", email="ann@example.org")
        client.post("/accounts/password/reset/", {"email": "ann@example.org"})
        link = next(word for word in sent_mails()[0].body.split() if "/accounts/password/reset/key/" in word)
        form = client.get(link, follow=True)
        new = {"password1": "another-passphrase", "password2": "another-passphrase"}
        client.post(form.redirect_chain[-1][0], new)
        user.refresh_from_db()
        assert user.check_password("another-passphrase")
        client.logout()
        assert "no longer works" in client.get(link, follow=True).content.decode()

    def test_the_link_names_this_site_whatever_the_host_header_says(self, client):
        make_user("ann", email="ann@example.org")
        answer = client.post("/accounts/password/reset/", {"email": "ann@example.org"}, headers={"host": "evil"})
        assert answer.status_code == 400
        assert not sent_mails()

    @pytest.mark.parametrize("host", ["localhost:31337", "board.example.org:31337", "board.example.org"])
    def test_the_link_leads_to_the_sites_own_address(self, client, settings, host):
        settings.SITE_URL, settings.SITE_HOST = "https://board.example.org", "board.example.org"
        settings.ALLOWED_HOSTS = ["board.example.org", "localhost"]
        make_user("ann", email="ann@example.org")
        client.post("/accounts/password/reset/", {"email": "ann@example.org"}, headers={"host": host})
        assert "https://board.example.org/accounts/password/reset/key/" in sent_mails()[0].body
        assert "31337" not in sent_mails()[0].body


@pytest.mark.parametrize("name", ["\u0430nn", "\uff41nn", "ANN", "\u0391nn"])
def test_a_user_name_that_looks_like_anothers_is_refused(client, django_user_model, name):
    make_user("ann")
    password = "a-quiet-long-passphrase"
    form = {"username": name, "email": "new@example.org", "password1": password, "password2": password}
    assert client.post("/accounts/signup/", form).status_code == 200
    assert django_user_model.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        ("ann", True), ("ann_b-2.x", True), ("Ångström", True),
        ("a@b.example", False), ("admin", False), ("Root", False), ("a", False), ("", False), ("   ", False),
        ("<script>alert(1)</script>", False), ("a b", False), ("x" * 151, False), ("a\x00b", False),
        ("eve\u202etxt", False),
    ],
)  # fmt: skip
def test_user_names(client, django_user_model, name, is_taken):
    password = "a-quiet-long-passphrase"
    form = {"username": name, "email": "new@example.org", "password1": password, "password2": password}
    answer = client.post("/accounts/signup/", form)
    assert answer.status_code == (302 if is_taken else 200)
    assert django_user_model.objects.filter(email="new@example.org").exists() == is_taken


@pytest.mark.parametrize("password", ["short", "1234567890123", "password1234", "new-name", "newcomer1"])
def test_weak_passwords_are_refused_with_a_sentence(client, django_user_model, password):
    form = {"username": "newcomer", "email": "new@example.org", "password1": password, "password2": password}
    answer = client.post("/accounts/signup/", form)
    assert "errorlist" in answer.content.decode()
    assert not django_user_model.objects.exists()


def test_the_pages_of_the_address_and_the_forgotten_password_use_our_words(client):
    forgotten = client.get("/accounts/password/reset/").content.decode()
    client.force_login(make_user("ann"))
    address = client.get("/accounts/email/").content.decode()
    assert "E-mail address" in forgotten
    assert "New e-mail address" in address
    assert "My account</p>" in address
    assert "placeholder" not in forgotten + address
