"""The operator's whole way in a browser: what failed by our fault is found, read, and decided; the board follows."""

import pytest
from playwright.sync_api import expect

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.models import AuditEvent, Submission
from submissions.tests.factories import make_member, make_phase, make_submission, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DETAIL = "connection refused by /run/docker.sock"


def failed(phase, code, name):
    """Return a submission whose evaluation a worker gave up."""
    submission = make_submission(make_member(name, team=f"Team of {name}"), phase)
    evaluation = claim(submission.latest.pk, "tests")
    actions.fail(evaluation=evaluation, code=code, note="", staff_detail=DETAIL)
    return submission


def state(submission):
    """Return the state and whether the try counts, as the database has it now."""
    found = Submission.objects.get(pk=submission.pk)
    return found.latest.status, found.try_counts


def test_from_the_front_page_to_the_board(open_page):
    phase = make_phase(title="Warm-up", slug="warm-up", quotas=[(3, None)])
    ours, theirs = failed(phase, "SYSTEM_ENGINE", "ann"), failed(phase, "TIMEOUT", "bea")
    page = open_page(make_user("boss", is_staff=True, is_superuser=True))

    page.goto("/")
    page.get_by_role("link", name="Admin", exact=True).click()
    page.get_by_role("link", name="1 failed by our fault").click()
    listed = page.locator("#result_list tbody tr")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text("Team of ann")

    listed.locator("th a").click()
    expect(page.locator("#content")).to_contain_text(DETAIL)
    page.get_by_role("button", name="Retry what failed").click()
    expect(page.locator(".messagelist")).to_contain_text("1 queued again")
    assert state(ours) == ("pending", True)
    actions.evaluate(evaluation_id=ours.latest.pk, worker="browser test")
    page.goto("/leaderboards/warm-up/")
    assert "Team of ann" in page.locator("tbody tr").inner_text()

    page.goto("/admin/")
    page.get_by_role("link", name="1 failed by the participant's fault").click()
    page.locator("#result_list tbody tr input[type=checkbox]").check()
    page.get_by_label("Action:").select_option(label="Give the try back")
    page.locator("button[name=index]").click()
    expect(page.locator(".messagelist")).to_contain_text("1 refunded")
    assert state(theirs) == ("failed", False)

    page.goto("/admin/submissions/auditevent/?q=boss")
    rows = " ".join(page.locator("#result_list tbody").inner_text().split())
    assert all(word in rows for word in ("retry", "refund", "boss"))
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"retry", "refund"}
