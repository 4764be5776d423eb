"""Authenticator app, recovery codes and passkeys in a browser: allauth's own scripts under our policy."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

from submissions.tests.factories import make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a-long-password"
PERIOD_S = 30


def sign_in(page, name="ann"):
    page.goto("/accounts/login/")
    page.get_by_label("User name or e-mail address").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()


def confirm(page):
    """What changes how one signs in asks for the password once more."""
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def code_of(secret):
    """Return the code of now; one that ends within 10 s is waited out, so that it is sent while it holds."""
    left_s = PERIOD_S - time.time() % PERIOD_S
    time.sleep(left_s if left_s < 10 else 0)
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(secret, counter))


def test_an_authenticator_app_guards_the_next_sign_in(open_page):
    user = make_user("ann")
    page = open_page()
    sign_in(page)
    page.get_by_role("button", name="Sign out").wait_for()
    page.goto("/accounts/2fa/totp/activate/")
    confirm(page)
    assert page.locator("img").get_attribute("src").startswith("data:image/svg")
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("[name=code]").fill(code_of(secret))
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("recovery codes").first.wait_for()
    assert Authenticator.objects.filter(user=user, type="totp").exists()

    fresh = open_page()
    sign_in(fresh)
    fresh.get_by_text("two-factor").first.wait_for()
    fresh.locator("[name=code]").fill("000000")
    fresh.get_by_role("button", name="Sign In").click()
    assert "Incorrect code" in fresh.get_by_role("main").inner_text()
    codes = Authenticator.objects.get(user=user, type="recovery_codes").wrap().get_unused_codes()
    fresh.locator("[name=code]").fill(codes[0])
    fresh.get_by_role("button", name="Sign In").click()
    fresh.get_by_role("button", name="Sign out").wait_for()


def test_a_passkey_signs_in_without_a_password(open_page):
    make_user("ann")
    page = open_page()
    chromium = page.context.new_cdp_session(page)
    chromium.send("WebAuthn.enable")
    key = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    chromium.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    sign_in(page)
    page.get_by_role("button", name="Sign out").wait_for()
    page.goto("/accounts/2fa/webauthn/add/")
    confirm(page)
    page.locator("[name=name]").fill("laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("main").get_by_role("button", name="Add").click()
    page.get_by_text("recovery codes").first.wait_for()
    assert Authenticator.objects.filter(type="webauthn").count() == 1

    page.get_by_role("button", name="Sign out").click()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("button", name="Sign out").wait_for()
