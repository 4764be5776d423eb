"""API tokens and what ends them (threat T51), on the account page and over the API."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from submissions.accounts.tokens import create_token
from submissions.models import ApiToken

PASSWORD = "correct-horse-battery"


@pytest.fixture
def ann(django_user_model):
    return django_user_model.objects.create_user("ann", "ann@example.org", PASSWORD)


@pytest.fixture
def signed_in(client, ann):
    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
    return client


def knocks(text, scheme="Bearer"):
    """Say what the API answers to a token, on an endpoint that needs one."""
    return Client().get("/api/v1/submissions", headers={"authorization": f"{scheme} {text}"}).status_code


def ask(client, **fields):
    return client.post("/api/v1/auth/token", {"username": "ann", "password": PASSWORD, **fields})


@pytest.mark.django_db
class TestTokenEndpoint:
    def test_gives_a_token_that_opens_the_api(self, client, ann):
        answer = ask(client, name="laptop").json()
        assert answer["name"] == "laptop"
        assert answer["expires_at"]
        assert knocks(answer["token"]) == 200
        assert knocks(answer["token"], "Token") == 200

    def test_stores_only_a_digest(self, client, ann):
        text = ask(client).json()["token"]
        row = ApiToken.objects.get()
        assert text not in (row.digest, row.token_key, row.name)
        assert len(row.digest) == 128

    def test_takes_the_address_and_json_and_the_trailing_slash(self, client, ann):
        body = {"username": "Ann@example.org", "password": PASSWORD}
        assert client.post("/api/v1/auth/token/", body, content_type="application/json").status_code == 200

    @pytest.mark.parametrize(
        "fields",
        [{"username": ""}, {"password": ""}, {"username": "a\x00b"}, {"username": "x" * 300}, {"name": "n" * 81}],
    )
    def test_names_the_field_that_is_wrong(self, client, ann, fields):
        answer = ask(client, **fields)
        assert answer.status_code == 400
        assert answer.json()["details"]["field"] == next(iter(fields))

    def test_sends_an_account_with_a_second_factor_to_the_account_page(self, client, ann):
        Authenticator.objects.create(user=ann, type="totp", data={"secret": "x"})
        answer = ask(client)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "SECOND_FACTOR_REQUIRED")
        assert "account page" in answer.json()["message"]
        assert not ApiToken.objects.exists()

    def test_wants_a_confirmed_address_where_the_site_sends_mail(self, client, ann, settings):
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
        assert ask(client).json()["error_code"] == "EMAIL_NOT_VERIFIED"
        EmailAddress.objects.create(user=ann, email=ann.email, verified=True, primary=True)
        assert ask(client).status_code == 200

    def test_refuses_a_closed_account(self, client, ann):
        ann.is_active = False
        ann.save()
        assert ask(client).status_code == 401

    def test_only_takes_post(self, client):
        assert client.get("/api/v1/auth/token").status_code == 405


@pytest.mark.django_db
class TestWhatEndsAToken:
    @pytest.fixture
    def text(self, ann):
        return create_token(user=ann, name="laptop")[1]

    def test_nothing_yet(self, text):
        assert knocks(text) == 200

    def test_its_date(self, text):
        ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
        assert knocks(text) == 401

    def test_revoking_it(self, signed_in, text):
        signed_in.post(f"/account/tokens/{ApiToken.objects.get().token_key}/revoke/")
        assert knocks(text) == 401

    def test_a_changed_password(self, text, ann):
        client = Client()
        client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
        form = {"oldpassword": PASSWORD, "password1": "another-passphrase", "password2": "another-passphrase"}
        assert client.post("/accounts/password/change/", form).status_code == 302
        assert knocks(text) == 401

    def test_a_password_that_staff_set(self, text, ann):
        ann.set_password("another-passphrase")
        ann.save()
        assert knocks(text) == 401

    def test_a_closed_account(self, text, ann):
        ann.is_active = False
        ann.save()
        ann.is_active = True
        ann.save()
        assert knocks(text) == 401  # opening the account again does not bring old tokens back

    def test_not_a_changed_name(self, text, ann):
        ann.first_name = "Ann"
        ann.save()
        assert knocks(text) == 200

    def test_not_the_new_hash_that_django_makes_of_an_old_password(self, text, ann, client):
        ann.password = "md5$salt$" + "0" * 32
        ann.save()
        assert knocks(text) == 200


@pytest.mark.django_db
class TestSessions:
    def test_a_changed_password_ends_the_others_and_keeps_this_one(self, ann):
        here, elsewhere = Client(), Client()
        for item in (here, elsewhere):
            item.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
        form = {"oldpassword": PASSWORD, "password1": "another-passphrase", "password2": "another-passphrase"}
        here.post("/accounts/password/change/", form)
        assert here.get("/account/").status_code == 200
        assert elsewhere.get("/account/").status_code == 302

    def test_a_closed_account_is_signed_out(self, signed_in, ann):
        assert signed_in.get("/account/").status_code == 200
        ann.is_active = False
        ann.save()
        assert signed_in.get("/account/").status_code == 302

    def test_signing_in_gives_a_new_session_and_signing_out_ends_it(self, client, ann):
        client.get("/accounts/login/")
        client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
        key = client.session.session_key
        client.post("/accounts/logout/")
        client.cookies["sessionid"] = key
        assert client.get("/account/").status_code == 302


@pytest.mark.django_db
class TestAccountPage:
    def test_shows_a_new_token_once_with_a_line_to_paste(self, signed_in, settings):
        answer = signed_in.post("/account/tokens/", {"name": "laptop", "days": "30"})
        text = answer.context["new_token"]
        page = answer.content.decode()
        assert f"curl -H &quot;Authorization: Bearer {text}&quot; {settings.SITE_URL}/api/v1/phases" in page or (
            f'curl -H "Authorization: Bearer {text}" {settings.SITE_URL}/api/v1/phases' in page
        )
        assert "no-store" in answer["Cache-Control"]
        assert text not in signed_in.get("/account/").content.decode()
        assert knocks(text) == 200

    def test_gives_the_lifetime_that_was_chosen(self, signed_in):
        signed_in.post("/account/tokens/", {"name": "laptop", "days": "7"})
        left = ApiToken.objects.get().expiry - timezone.now()
        assert timedelta(days=6, hours=23) < left <= timedelta(days=7)

    @pytest.mark.parametrize(
        "form", [{"name": "", "days": "30"}, {"name": "x" * 81, "days": "30"}, {"name": "a", "days": "9999"}, {}]
    )
    def test_says_what_is_wrong_with_the_form(self, signed_in, form):
        answer = signed_in.post("/account/tokens/", form)
        assert answer.status_code == 400
        assert "errorlist" in answer.content.decode()
        assert not ApiToken.objects.exists()

    def test_nobody_revokes_the_token_of_another(self, client, ann, django_user_model):
        token, text = create_token(user=ann, name="laptop")
        client.force_login(django_user_model.objects.create_user("eve"))
        assert client.post(f"/account/tokens/{token.token_key}/revoke/").status_code == 404
        assert knocks(text) == 200

    def test_needs_somebody_signed_in(self, client):
        assert client.get("/account/")["Location"].startswith("/accounts/login/?next=/account/")

    def test_a_session_left_open_makes_no_token_before_the_password_is_given_again(self, signed_in, ann):
        session = signed_in.session
        for method in session["account_authentication_methods"]:
            method["at"] -= 3600
        session.save()
        answer = signed_in.post("/account/tokens/", {"name": "laptop", "days": "365"})
        assert answer["Location"].startswith("/accounts/reauthenticate/")
        assert not ApiToken.objects.exists()

        answer = signed_in.post(answer["Location"], {"password": PASSWORD}, follow=True)
        assert "Your new token" in answer.content.decode()
        assert ApiToken.objects.get().name == "laptop"

    def test_the_number_of_tokens_is_bounded_and_expired_ones_do_not_count(self, signed_in, client, ann, settings):
        settings.MAX_TOKENS = 2
        for name in ("old", "a"):
            create_token(user=ann, name=name)
        ApiToken.objects.filter(name="old").update(expiry=timezone.now() - timedelta(days=1))
        assert signed_in.post("/account/tokens/", {"name": "b", "days": "7"}).status_code == 201
        answer = signed_in.post("/account/tokens/", {"name": "c", "days": "7"})
        assert answer.status_code == 409
        assert "revoke one" in answer.content.decode()
        assert ask(client).json()["error_code"] == "TOO_MANY_TOKENS"
        assert set(ApiToken.objects.values_list("name", flat=True)) == {"a", "b"}
