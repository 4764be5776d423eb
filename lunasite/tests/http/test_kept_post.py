"""What was typed into a form is not lost when the session or the CSRF token has lapsed; a stranger's form is."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from submissions.tests.factories import GOOD, csv_file, evaluated, make_member, make_phase

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
HERE = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
TYPED = {"model_name": "Lung & <b>Net</b>", "code_url": "https://x.org/code"}


@pytest.fixture
def address():
    return f"/submissions/{evaluated(user=make_member('ann'), phase=make_phase(slug='p')).pk}/method/"


def text_of(answer, status):
    assert answer.status_code == status
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_lapsed_session_keeps_what_was_typed(client, address):
    text = text_of(client.post(address, TYPED, headers=HERE), 401)
    assert "Nothing was stored." in text
    assert "You are no longer signed in" in text
    assert "Lung &amp; &lt;b&gt;Net&lt;/b&gt;</textarea>" in text
    assert f'action="{address}"' in text
    assert 'aria-label="Site"' in text  # the navigation


def test_a_lapsed_session_asks_for_the_file_again(client):
    make_phase(slug="p")
    text = text_of(client.post("/phases/p/submit/", TYPED | {"file": csv_file(GOOD)}, headers=HERE), 401)
    assert '<input type="file" name="file"' in text
    assert "data-upload" in text


def test_an_old_token_keeps_what_was_typed_and_it_can_be_sent_again(address):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(get_user_model().objects.get(username="ann"))
    answer = browser.post(address, TYPED | {"csrfmiddlewaretoken": "x" * 64}, headers=HERE)
    text = text_of(answer, 403)
    assert "open for too long" in text
    assert "x" * 64 not in text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.content.decode().split("<main")[1])[1]
    again = browser.post(address, TYPED | {"csrfmiddlewaretoken": token}, headers=HERE, follow=True)
    assert "The leaderboard shows the method" in text_of(again, 200)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_a_strangers_form_does_not_come_back_with_a_token(address, headers):
    """Else one click on the answer would do what the CSRF check is there to stop."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(get_user_model().objects.get(username="ann"))
    text = text_of(browser.post(address, TYPED, headers={"Accept": "text/html"} | headers), 403)
    assert "Lung" not in text
    assert "Send it again" not in text


def test_passwords_do_not_come_back():
    browser = Client(enforce_csrf_checks=True)
    sent = {"login": "ann", "password": "my-secret-words"}
    text = text_of(browser.post("/accounts/login/", sent, headers=HERE), 403)
    assert "my-secret-words" not in text
    assert "Send it again" not in text


def test_a_program_still_gets_its_error(client, address):
    answer = client.post(address, TYPED, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORIZED")


def test_too_much_text_is_not_kept(client, address):
    text = text_of(client.post(address, {"model_name": "x" * 300_000}, headers=HERE), 401)
    assert "xxxxx" not in text
    assert "Go back" in text
