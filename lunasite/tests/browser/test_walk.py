"""Each kind of page as each person: nothing that keeps people out (axe), nothing wider than its window, in both themes.

The walk follows the links of the demo's site, so that it finds a new page by itself; a page of the matrix of routes
that it does not reach fails the test. LUNASITE_WALK_PICTURES names a folder for a picture of each page.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from lunasite.demo import phantoms
from lunasite.demo.challenges import LESIONS, SLICES
from lunasite.tests.browser.walk import AXE, DESKTOP, NO_PAGES, PHONE, SAME_PAGE, SERIOUS, TOO_WIDE, Walk
from lunasite.tests.test_routes import MATRIX
from submissions.editing.versions import save_text
from submissions.models import Challenge, DatasetImport, Evaluation, Message, Phase, Profile, TeamInvitation, Webhook
from submissions.models.team import team_of
from submissions.teams.invitations import _digest
from submissions.tests.factories import make_staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def people(settings, tmp_path, monkeypatch):
    """The demo, small, with a reviewer and an organiser of its challenges; people by what they are."""
    settings.DEMO, settings.DATA_DIR = True, tmp_path
    settings.FEEDBACK_DIR, settings.DRIFT_CURRENT_PATH = tmp_path / "feedback", tmp_path / "drift.csv"
    for name, value in {
        "CHESTS": 7, "CHEST_SPLITS": ("public",) * 3 + ("private",) * 3 + ("sample",), "PICTURES_A_CLASS": 5,
        "CHEST_SHAPE_ZYX": (12, 64, 64), "CHEST_SPACING_XYZ_MM": (5.0, 5.0, 12.0),
        "PICTURE_SPLITS": ("public",) * 2 + ("private",) * 2 + ("sample",),
    }.items():  # fmt: skip
        monkeypatch.setattr(phantoms, name, value)
    call_command("seed_demo", port=8000, verbosity=0)
    settings.DEMO = False
    people = {
        "anonymous": None,
        "participant": User.objects.get(username="ada"),
        "organiser": make_staff("organiser", *Phase.objects.all()),
        "reviewer": make_staff("reviewer"),
        "admin": User.objects.get(username="organiser"),
    }
    write_what_the_demo_lacks(people["participant"], people["organiser"])
    return people


def write_what_the_demo_lacks(participant, organiser):
    """Rules, a message, a webhook, an invitation, a public profile, an import: pages that need a row of their own."""
    save_text(owner=Challenge.objects.get(slug=SLICES), name="rules", body="One account a person.", user=organiser)
    Message.objects.create(user=participant, kind="news", key="k", subject="The phase is open", text="Send a file.")
    hook = Webhook.objects.create(user=participant, url="https://example.org/", kinds=["team"])
    hook.deliveries.create(kind="team", key="k", body="{}", status="failed")
    Profile.objects.create(user=participant, is_public=True, display_name="Ada")
    TeamInvitation.objects.create(
        team=team_of(User.objects.get(username="carla")), email="a@example.org", digest=_digest("of-carla"),
        invited_by=participant, expires_at=Phase.objects.get(slug=LESIONS).closes_at,
    )  # fmt: skip
    DatasetImport.objects.create(user=organiser, kind="lesion", name="nodules", truth_name="truth.csv", state="refused")


def starts(who: str) -> list[str]:
    """Return where a person's walk begins: the first page, an entry in each state, and what no link leads to."""
    if who == "anonymous":
        return [
            "/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", f"/embed/{LESIONS}/",
            f"/challenges/{LESIONS}/news/",
        ]  # fmt: skip
    of_states = {row.status: row.submission_id for row in Evaluation.objects.filter(submission__team__name="Alveoli")}
    if who == "admin":
        of_states |= {row.failure_code or row.status: row.submission_id for row in Evaluation.objects.all()}
    entries = [f"/submissions/{pk}/" for pk in of_states.values()] if who in ("participant", "admin") else []
    forms = [f"/phases/{slug}/?send=docker" for slug in (LESIONS, SLICES)] if who == "participant" else []
    others = {
        "participant": ["/team/invitation/of-carla/"], "organiser": [f"/challenges/{LESIONS}/news/"],
    }  # fmt: skip
    return ["/", *entries, *forms, *others.get(who, []), "/no/such/page/"]


def test_every_page_of_every_person(open_page, people, live_server):
    seen, findings = set(), []
    for who, user in people.items():
        page = open_page(user, viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(60_000)  # a loaded machine answers late, and no page is measured by that here
        walk = Walk(who, page, urlsplit(live_server.url).netloc, seen)
        walk.all_from(starts(who))
        seen |= walk.seen
        page.context.close()
        findings += [f"{who}, {finding}" for finding in walk.findings]
    assert not findings, "\n".join(findings)
    pages = {name for name, row in MATRIX.items() if row.method == "get" and not name.startswith("api_")}
    assert pages - NO_PAGES - set(SAME_PAGE) - seen == set()


def test_the_walk_would_find_what_keeps_people_out(open_page):
    page = open_page(viewport=PHONE)
    page.set_default_timeout(60_000)
    page.goto("/robots.txt")
    page.set_content('<html lang="en"><title>t</title><main><img src="data:,"><p style="width: 900px">wide</p></main>')
    page.evaluate(AXE)
    assert [found.partition(":")[0] for found in page.evaluate(SERIOUS, None)] == ["image-alt"]
    assert page.evaluate(TOO_WIDE) > 500
