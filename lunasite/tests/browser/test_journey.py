"""A participant's whole way in a browser, from sign-up to a row on the board."""

import re

import pytest
from playwright.sync_api import expect

from submissions import actions
from submissions.models import Submission, Team
from submissions.tests.factories import csv_bytes, make_member, make_phase, make_submission

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a-quiet-long-passphrase"


def csv(name="predictions.csv", content=None):
    return {"name": name, "mimeType": "text/csv", "buffer": content or csv_bytes()}


def sign_up(page, name):
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("E-mail address").fill(f"{name}@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Sign out").wait_for()


def test_from_sign_up_to_the_board(page):
    phase = make_phase(title="Warm-up", slug="warm-up", quotas=[(3, None)])
    sign_up(page, "ann")

    page.get_by_role("link", name="Team").click()
    page.get_by_label("Name of the team").fill("Lung Ranger")
    page.get_by_role("button", name="Create the team").click()
    assert "Team Lung Ranger is made" in page.get_by_role("status").inner_text()

    page.get_by_role("link", name="Challenges").click()
    page.get_by_role("link", name="Warm-up").click()
    page.get_by_role("link", name="Submit", exact=True).click()
    assert "3 of 3 left" in page.get_by_role("main").inner_text()

    broken = csv_bytes()[:-4] + b"7.9"
    page.get_by_label("Drop the CSV here").set_input_files(csv(content=broken))
    page.get_by_role("button", name="Submit", exact=True).click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "No try was spent" in alert.inner_text()
    assert "11" in alert.inner_text()  # the line
    expect(alert).to_be_focused()  # where the keyboard goes on
    assert not Submission.objects.exists()

    page.get_by_label("Drop the CSV here").set_input_files(csv())
    page.get_by_role("button", name="Check my file").click()
    page.get_by_text("The file is good: 10 rows").wait_for()
    assert not Submission.objects.exists()

    page.get_by_role("button", name="Submit", exact=True).click()  # the checked file is still chosen
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    assert "place 1" in page.get_by_role("main").inner_text()

    submission = Submission.objects.get()
    actions.evaluate(evaluation_id=submission.latest.pk, worker="browser test")
    page.get_by_text("0.9583").first.wait_for()  # the page moved by itself: 23/24
    assert page.locator("figure.chart svg").count() == 3
    assert page.locator("[hx-get]").count() == 0  # and has stopped asking

    page.get_by_role("link", name="Leaderboard", exact=True).click()
    row = page.locator("tr.own")
    assert "Lung Ranger" in row.inner_text()
    assert "0.9583" in row.inner_text()
    assert phase.standings.count() == 1
    assert Team.objects.get().name == "Lung Ranger"


def test_a_new_participant_has_a_scored_csv_after_six_clicks(page):
    """From the first page, without an account; the file's own dialog counts as one."""
    phase = make_phase(title="Warm-up", slug="warm-up")
    clicked = []

    def click(role, name, where=page, **options):
        where.get_by_role(role, name=name, **options).click()
        clicked.append(name)

    page.goto("/")
    click("link", "Sign up")
    page.get_by_label("User name").fill("ann")
    page.get_by_label("E-mail address").fill("ann@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    click("button", "Sign up", page.get_by_role("main"))
    click("link", "Warm-up", page.get_by_role("main"))
    click("link", "Submit", exact=True)
    page.get_by_label("Drop the CSV here").set_input_files(csv())
    clicked.append("Drop the CSV here")
    click("button", "Submit", exact=True)
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    actions.evaluate(evaluation_id=Submission.objects.get(phase=phase).latest.pk, worker="browser test")
    page.get_by_text("0.9583").first.wait_for()  # 23/24
    assert len(clicked) <= 6, clicked


def test_without_javascript_the_same_way_is_open(open_page):
    make_phase(title="Warm-up", slug="warm-up")
    user = make_member("ann")
    page = open_page(user, java_script_enabled=False)
    page.goto("/phases/warm-up/")
    page.locator("input[type=file]").set_input_files(csv())
    page.get_by_role("button", name="Submit", exact=True).click()
    assert "/submissions/" in page.url
    assert "place 1" in page.get_by_role("main").inner_text()
    actions.evaluate(evaluation_id=Submission.objects.get().latest.pk, worker="w")
    page.reload()
    assert "0.9583" in page.get_by_role("main").inner_text()
    assert "UTC" in page.get_by_role("main").inner_text()  # times are the server's


def test_a_failed_evaluation_says_why_whose_fault_and_what_it_cost(open_page):
    from submissions.actions.evaluate import claim
    from submissions.actions.finish import fail

    user = make_member("ann")
    submission = make_submission(user=user, phase=make_phase())
    page = open_page(user)
    page.goto(f"/submissions/{submission.pk}/")
    fail(evaluation=claim(submission.latest.pk, "w"), code="OUT_OF_MEMORY")
    page.locator(".notice.bad").get_by_text("The container needed more memory than allowed").wait_for()
    text = page.get_by_role("main").inner_text()
    assert "the submission's fault; the try counted" in text
    assert page.locator(".steps li.bad").inner_text().startswith("running")


def test_cancelling_asks_first(open_page):
    user = make_member("ann")
    submission = make_submission(user=user, phase=make_phase())
    page = open_page(user)
    page.goto(f"/submissions/{submission.pk}/")
    questions = []

    def dismiss(dialog):
        questions.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", dismiss)
    page.get_by_role("button", name="Cancel the evaluation").click()
    assert "the try is given back" in questions[0]
    assert submission.latest.status == "pending"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel the evaluation").click()
    page.get_by_text("The evaluation was cancelled.").wait_for()
    assert submission.latest.status == "cancelled"


def test_a_token_is_shown_once(open_page):
    page = open_page(make_member("ann"))
    page.goto("/account/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_label("Password").fill("a-long-password")  # a token asks for a fresh sign-in
    page.locator("main form button[type=submit]").first.click()
    token = page.locator("#new-token").inner_text()
    assert len(token) == 64
    assert f"Bearer {token}" in page.locator("#new-token-curl").inner_text()
    page.goto("/account/")
    assert token not in page.content()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke laptop").click()
    page.get_by_text("is revoked").wait_for()


def test_the_moving_page_keeps_focus_and_what_was_unfolded(open_page):
    user = make_member("ann")
    submission = make_submission(user=user, phase=make_phase())
    page = open_page(user)
    page.goto(f"/submissions/{submission.pk}/")
    page.get_by_text("Timeline").click()
    page.locator("#cancel").focus()
    with page.expect_response("**/progress/*"):
        pass
    with page.expect_response("**/progress/*"):
        pass
    assert page.locator(".timeline").is_visible()
    assert page.evaluate("document.activeElement.id") == "cancel"
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    page.get_by_text("0.9583").first.wait_for()
    assert page.locator(".timeline").is_visible()
    assert page.locator("#announcer").inner_text() == "Scored."
