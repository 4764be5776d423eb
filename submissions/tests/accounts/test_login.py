"""Rows A13, A14 and threat T50: guessing passwords, and asking which accounts exist."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from axes.models import AccessAttempt
from django.db import connections
from django.test import Client
from django.utils import timezone

from lunasite.http import lockout
from lunasite.http.client_address import client_address
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.slow

PASSWORD = "correct-horse-battery"


@pytest.fixture
def ann(django_user_model):
    return django_user_model.objects.create_user("ann", "ann@example.org", PASSWORD)


def log_in(client, login, password):
    return client.post("/accounts/login/", {"login": login, "password": password})


def token(client, username, password):
    return client.post("/api/v1/auth/token", {"username": username, "password": password})


def without_secrets(response):
    return re.sub(rb'value="[^"]*"', b"", response.content)


@pytest.mark.django_db
class TestTheEleventhTry:
    def test_is_refused_on_the_login_page_even_with_the_right_password(self, client, ann):
        statuses = [log_in(client, "ann", f"wrong {n}").status_code for n in range(10)]
        last = log_in(client, "ann", PASSWORD)
        assert statuses == [200] * 10
        assert last.status_code == 429
        assert int(last["Retry-After"]) > 0
        assert "Too many failed logins" in last.content.decode()

    def test_is_refused_by_the_api_with_its_own_code(self, client, ann):
        statuses = [token(client, "ann", f"wrong {n}").status_code for n in range(10)]
        last = token(client, "ann", PASSWORD)
        assert statuses == [401] * 10
        assert (last.status_code, last.json()["error_code"]) == (429, "TOO_MANY_ATTEMPTS")
        assert int(last["Retry-After"]) > 0

    def test_counts_name_and_address_in_any_case_as_one_account(self, client, ann):
        for login in ("ann", "Ann", "ann@example.org", "ANN@example.org") * 2 + ("ann", "aNN"):
            assert log_in(client, login, "wrong").status_code == 200
        assert token(client, "ann@EXAMPLE.org", PASSWORD).status_code == 429

    def test_is_counted_for_accounts_that_do_not_exist_too(self, client):
        statuses = [log_in(client, "nobody", "wrong").status_code for _ in range(12)]
        assert statuses == [200] * 10 + [429] * 2

    def test_leaves_other_accounts_and_other_addresses_alone(self, client, ann, django_user_model):
        bob = django_user_model.objects.create_user("bob", password=PASSWORD)
        for _ in range(11):
            log_in(client, "ann", "wrong")
        assert token(client, bob.username, PASSWORD).status_code == 200
        elsewhere = Client(REMOTE_ADDR="192.0.2.7")
        assert token(elsewhere, "ann", PASSWORD).status_code == 200

    def test_another_browser_name_does_not_help(self, ann):
        for n in range(10):
            log_in(Client(HTTP_USER_AGENT=f"browser {n}"), "ann", "wrong")
        assert log_in(Client(HTTP_USER_AGENT="fresh"), "ann", PASSWORD).status_code == 429

    def test_a_forged_forwarding_header_does_not_help(self, ann):
        for n in range(10):
            log_in(Client(HTTP_X_FORWARDED_FOR=f"192.0.2.{n}"), "ann", "wrong")
        assert log_in(Client(HTTP_X_FORWARDED_FOR="192.0.2.99"), "ann", PASSWORD).status_code == 429

    def test_the_lock_ends_by_itself_and_refused_tries_do_not_prolong_it(self, client, ann):
        for _ in range(10):
            log_in(client, "ann", "wrong")
        row = AccessAttempt.objects.exclude(ip_address=lockout.EVERY_ADDRESS).get()
        before = row.attempt_time
        log_in(client, "ann", "wrong")
        row.refresh_from_db()
        assert row.attempt_time == before
        AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
        assert token(client, "ann", PASSWORD).status_code == 200

    def test_a_right_password_starts_the_count_again(self, client, ann):
        for _ in range(9):
            log_in(client, "ann", "wrong")
        assert token(client, "ann", PASSWORD).status_code == 200
        assert [log_in(client, "ann", "wrong").status_code for _ in range(10)] == [200] * 10

    def test_nobody_wins_tries_back_by_claiming_the_address_of_another(self, client, ann, django_user_model):
        eve = django_user_model.objects.create_user("eve", "eve@example.org", PASSWORD)
        EmailAddress.objects.create(user=eve, email=ann.email, verified=False, primary=False)
        ann.set_password("another-horse-battery")
        ann.save()
        for n in range(10):
            log_in(client, ann.email, f"wrong {n}")
            log_in(Client(), "eve", PASSWORD)
        assert log_in(client, ann.email, "another-horse-battery").status_code == 429

    def test_a_claimed_address_locks_nobody_out_who_knows_the_password(self, client, ann, django_user_model):
        eve = django_user_model.objects.create_user("eve", "eve@example.org", "another-horse-battery")
        EmailAddress.objects.create(user=eve, email=ann.email, verified=False, primary=False)
        assert {token(client, ann.email, PASSWORD).status_code for _ in range(12)} == {200}

    def test_guards_the_admin_too(self, client, ann):
        answer = client.get("/admin/", follow=True)
        assert answer.redirect_chain[-1][0].startswith("/accounts/login/")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_fifty_wrong_passwords_at_once_exactly_ten_are_checked(ann, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None}

    def one(number):
        try:
            return log_in(Client(), "ann", f"wrong {number}").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(one, range(50)))
    assert statuses == [200] * 10 + [429] * 40


@pytest.mark.django_db
class TestUnknownAccounts:
    """A14: nobody learns from an answer whether an account exists."""

    def test_login_answers_alike(self, ann):
        known, unknown = log_in(Client(), "ann", "wrong"), log_in(Client(), "bob", "wrong")
        assert known.status_code == unknown.status_code
        assert without_secrets(known) == without_secrets(unknown)

    def test_login_by_address_answers_alike(self, ann):
        known, unknown = log_in(Client(), "ann@example.org", "x"), log_in(Client(), "bob@example.org", "x")
        assert known.status_code == unknown.status_code
        assert without_secrets(known) == without_secrets(unknown)

    def test_api_answers_alike(self, ann):
        known, unknown = token(Client(), "ann", "wrong"), token(Client(), "bob", "wrong")
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content)

    def test_password_reset_answers_alike(self, ann):
        ask = [Client().post("/accounts/password/reset/", {"email": f"{who}@example.org"}) for who in ("ann", "bob")]
        assert [answer.status_code for answer in ask] == [302, 302]
        assert ask[0]["Location"] == ask[1]["Location"]
        assert [mail.to for mail in sent_mails()] == [["ann@example.org"], ["bob@example.org"]]

    def test_each_password_is_hashed_once_whether_the_account_exists_or_not(self, ann, monkeypatch):
        from django.contrib.auth.hashers import MD5PasswordHasher

        hashed = []
        encode = MD5PasswordHasher.encode
        monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *a, **k: hashed.append(1) or encode(*a, **k))
        counts = []
        for name in ("ann", "bob", "ann@example.org", "bob@example.org"):
            hashed.clear()
            token(Client(), name, "wrong")
            counts.append(len(hashed))
        assert counts == [1, 1, 1, 1]

    def test_signup_with_a_taken_address_does_not_say_so_when_mail_is_verified(self, ann, settings):
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
        form = {"password1": "a-long-passphrase", "password2": "a-long-passphrase"}
        taken = Client().post("/accounts/signup/", {**form, "username": "eve", "email": "ann@example.org"})
        free = Client().post("/accounts/signup/", {**form, "username": "joe", "email": "joe@example.org"})
        assert (taken.status_code, taken["Location"]) == (free.status_code, free["Location"])


@pytest.mark.parametrize(
    ("proxies", "header", "expected"),
    [
        (0, "192.0.2.1", "127.0.0.1"),  # nobody may choose an address
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "10.9.8.7, 192.0.2.1", "192.0.2.1"),  # the client wrote the first itself
        (2, "10.9.8.7, 192.0.2.1, 192.0.2.2", "192.0.2.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_the_client_address_is_what_our_own_proxies_saw(rf, settings, proxies, header, expected):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    request = rf.get("/", headers={"x-forwarded-for": header} if header else {})
    assert client_address(request) == expected


@pytest.mark.django_db
class TestOverAllAddresses:
    """Many addresses guess hardly faster than one, and the owner hears of it."""

    @pytest.fixture(autouse=True)
    def soon(self, settings):
        settings.LOGIN_ACCOUNT_LIMIT = 20

    def guess(self, number, password="wrong"):
        return token(Client(REMOTE_ADDR=f"10.0.{number // 250}.{number % 250 + 1}"), "ann", password).status_code

    def wait(self, minutes):
        AccessAttempt.objects.filter(ip_address=lockout.EVERY_ADDRESS).update(
            attempt_time=timezone.now() - timedelta(minutes=minutes)
        )

    def test_guesses_beyond_the_limit_come_one_by_one_with_growing_pauses(self, ann):
        assert [self.guess(number) for number in range(30)] == [401] * 20 + [429] * 10
        for number, minutes in enumerate((1, 2, 4), start=100):
            self.wait(minutes - 0.1)
            assert self.guess(number) == 429
            self.wait(minutes + 0.1)
            assert self.guess(number) == 401

    def test_the_pause_ends_at_an_hour_and_lets_the_owner_in(self, ann):
        assert lockout.pause_after(20) == timedelta(minutes=1)
        assert lockout.pause_after(10_000) == timedelta(hours=1)
        for number in range(25):
            self.guess(number)
        self.wait(61)
        assert self.guess(200, PASSWORD) == 200
        assert [self.guess(number) for number in range(300, 310)] == [401] * 10

    def test_the_owner_is_mailed_once(self, ann):
        for number in range(40):
            self.guess(number)
        (message,) = sent_mails()
        assert message.to == ["ann@example.org"]
        assert "20 wrong passwords" in message.body

    def test_the_addresses_of_one_ipv6_subscriber_are_one(self, ann):
        statuses = [token(Client(REMOTE_ADDR=f"2001:db8::{number:x}"), "ann", "no").status_code for number in range(15)]
        assert statuses == [401] * 10 + [429] * 5
