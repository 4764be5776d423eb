"""DRF's browsable API in the browser: its assets come from here, the policy blocks none of them, its forms work."""

import json

import pytest

from submissions.models import Submission
from submissions.tests.factories import csv_bytes, make_member, make_phase

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATHS = [
    "/api/v1/", "/api/v1/phases/", "/api/v1/submissions/", "/api/v1/submissions/docker", "/api/v1/leaderboard?phase=p",
    "/api/v1/predict/lesion/", "/api/v1/uploads",
]  # fmt: skip


@pytest.fixture
def ann(db):
    make_phase(slug="p", title="Warm-up")
    return make_member("ann")


@pytest.mark.parametrize("path", PATHS)
def test_a_page_opens_styled_and_in_peace(open_page, ann, path):
    page = open_page(ann)
    page.goto(path, wait_until="networkidle")
    page.locator("h1").first.wait_for()
    color = page.evaluate("getComputedStyle(document.querySelector('.navbar')).backgroundColor")
    assert color != "rgba(0, 0, 0, 0)"
    # prettify.js has run: it marks punctuation
    assert page.locator(".response-info span.pun").count() > 0


def test_a_csv_is_sent_by_the_form(open_page, ann):
    page = open_page(ann)
    page.goto("/api/v1/submissions/")
    page.get_by_role("link", name="HTML form").click()
    page.fill("#post-object-form input[name=phase]", "p")
    file = {"name": "p.csv", "mimeType": "text/csv", "buffer": csv_bytes()}
    page.set_input_files("#post-object-form input[name=file]", file)
    page.click("#post-object-form button")
    page.get_by_text("HTTP 201 Created").wait_for()
    assert Submission.objects.get().user == ann


def test_raw_data_is_sent_by_script(open_page, ann):
    page = open_page(ann)
    page.goto("/api/v1/uploads")
    page.get_by_role("link", name="Raw data").click()
    page.select_option("select[name=_content_type]", "application/json")
    page.fill("textarea[name=_content]", json.dumps({"filename": "a.tar", "size": 10}))
    page.click("#post-generic-content-form button")
    page.get_by_text("HTTP 201 Created").wait_for()


def test_the_schema_opens(open_page):
    page = open_page()
    page.goto("/api/v1/schema/")
    assert '"openapi":"3.' in page.inner_text("body").replace(" ", "")
