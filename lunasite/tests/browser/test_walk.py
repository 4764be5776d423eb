"""Each kind of page as each person: nothing that keeps people out (axe), nothing wider than its window, in both themes.

The walk follows the links of the demo's site, so that it finds a new page by itself; a page of the matrix of routes
that it does not reach fails the test. LUNASITE_WALK_PICTURES names a folder for a picture of each page.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import Resolver404, resolve

from lunasite.demo import phantoms
from lunasite.tests.test_routes import MATRIX
from submissions.models import Evaluation, Phase
from submissions.tests.factories import make_staff

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.django_db(transaction=True),
]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = """async (rules) => {
  const only = rules ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], iframes: false, preload: false, ...only});
  const where = (node) => `${node.target.join(" ")} ${node.any.concat(node.all).map((c) => c.message).join(" ")}`;
  return found.violations.filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => `${each.id}: ${each.nodes.slice(0, 3).map(where).join(" | ")}`);
}"""
AT_REST = """Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().endTime < 5000).map((each) => each.finished.catch(() => null)))
  .then(() => null)"""
TOO_WIDE = "document.scrollingElement.scrollWidth - innerWidth"
# A list of the admin scrolls in a frame of its own.
LIST_TOO_WIDE = """(() => { const list = document.querySelector("#changelist-form .results");
  return list ? list.scrollWidth - list.clientWidth : 0; })()"""
# What scripts draw after the page has loaded, and what shows that it is there.
DRAWN_BY_SCRIPTS = {"#swagger-ui": "#swagger-ui .opblock"}
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What only the colours of a theme can change.
OF_COLOURS = ["color-contrast", "link-in-text-block"]

# Addresses that answer with a file, with JSON or with a redirect, and the pages of others' programs.
NO_PAGES = {
    "csv_template", "samples_file", "truth_file", "starter_kit", "data_file", "client", "client_runner",
    "client_driver", "leaderboard_export", "leaderboard_citation", "badge", "news_feed", "challenge_feed",
    "review_csv", "review_zip", "review_picture", "case_slice", "case_volume", "challenge_image", "favicon", "robots",
    "sitemap", "health", "live", "ready", "metrics", "schema", "challenge_submit", "challenge_boards", "download",
    "earlier_submissions", "earlier_leaderboard", "jsi18n", "logout", "view_on_site", "submission_progress",
    "dataset_import_progress", "unsubscribe", "account_logout",
}  # fmt: skip
# Pages of a state that the demo is not in, or that only a form or the admin leads to; each has a test beside its view.
UNREACHED = {
    "challenge_news_edit", "challenge_version", "site_page_versions", "site_page_version", "dataset_import",
    "team_invitation", "message", "webhook_deliveries", "person",
    "challenge_news_post", "challenge_rules", "drift", "site_page_edit", "submissions",
}  # fmt: skip
# Pages that show more to some: each person walks them; the others are walked by the first who may.
OF_PERSONS = {"home", "challenge", "challenge_data", "challenge_news", "phase", "submission", "leaderboard"}
PICTURES = os.environ.get("LUNASITE_WALK_PICTURES", "")


@pytest.fixture
def people(settings, tmp_path, monkeypatch):
    """The demo, small, with a reviewer and an organiser of its first challenge; people by what they are."""
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
    return {
        "anonymous": None,
        "participant": User.objects.get(username="ada"),
        "organiser": make_staff("organiser", *Phase.objects.all()),
        "reviewer": make_staff("reviewer"),
        "admin": User.objects.get(username="organiser"),
    }


def starts(who: str) -> list[str]:
    """Return where a person's walk begins: the first page, an entry in each state, and what no link leads to."""
    paths = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
    if who == "anonymous":
        return [*paths, *(f"/embed/{slug}/" for slug in Phase.objects.values_list("slug", flat=True)[:1])]
    of_states = {row.status: row.submission_id for row in Evaluation.objects.filter(submission__team__name="Alveoli")}
    if who == "admin":
        of_states |= {row.failure_code or row.status: row.submission_id for row in Evaluation.objects.all()}
    entries = [f"/submissions/{pk}/" for pk in of_states.values()] if who in ("participant", "admin") else []
    forms = [f"/phases/{slug}/?send=docker" for slug in Phase.objects.values_list("slug", flat=True)[:1]]
    return [paths[0], *entries, *forms, "/no/such/page/"]


def name_of(path: str) -> str | None:
    """Return the name of a page's address, None for what is no page; pages of entries and forms differ by address."""
    try:
        match = resolve(path)
    except Resolver404:
        return path
    name = match.url_name or ""
    if name in NO_PAGES or name.endswith("_file") or (name.startswith("api_") and name != "api_docs"):
        return None
    if match.app_name == "admin":  # of Django's making; `test_staff_pages_too` looks at its lists
        return None
    return name


class Walk:
    """One person's way through the site. seen: names of pages. findings: one line each, with the page."""

    def __init__(self, who, page, host, seen):
        self.who, self.page, self.host = who, page, host
        self.seen, self.findings = seen - OF_PERSONS, []
        self.waiting = []

    def all_from(self, paths):
        """Look at each of the paths, and at one page of each further name that a link leads to."""
        for path in paths:
            self.seen.add(name_of(urlsplit(path).path))
            self.look_at(path)
        while self.waiting:
            path = self.waiting.pop(0)
            if (name := name_of(path)) and name not in self.seen:
                self.seen.add(name)
                self.look_at(path)

    def look_at(self, path):
        self.page.goto(path)
        for place, content in DRAWN_BY_SCRIPTS.items():
            if self.page.query_selector(place):
                self.page.wait_for_selector(content)
        self.picture(path, "light")
        self.note(path, "desktop", self.page.evaluate(TOO_WIDE), self.page.evaluate(LIST_TOO_WIDE))
        self.page.evaluate(AXE)
        self.note(path, "light", *self.page.evaluate(SERIOUS, None))
        self.page.emulate_media(color_scheme="dark")
        self.page.evaluate(AT_REST)  # the admin's links change their colour slowly
        self.picture(path, "dark")
        self.note(path, "dark", *self.page.evaluate(SERIOUS, OF_COLOURS))
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(PHONE)
        self.picture(path, "phone")
        self.note(path, "phone", self.page.evaluate(TOO_WIDE))
        self.page.set_viewport_size(DESKTOP)
        links = self.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        own = [urlsplit(link) for link in links]
        self.waiting += [link.path for link in own if link.netloc == self.host]

    def picture(self, path, look):
        if PICTURES:
            name = f"{self.who}-{path.strip('/').replace('/', '_').replace('?', '_') or 'home'}-{look}.png"
            self.page.screenshot(path=Path(PICTURES) / name, full_page=True)

    def note(self, path, look, *found):
        """Keep sentences, and numbers of pixels above zero."""
        kept = [each if isinstance(each, str) else f"{each} px too wide" for each in found if each and each != -1]
        self.findings += [f"{look} {path}: {each}" for each in kept if not each.startswith("-")]


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
    assert findings == []
    pages = {name for name, row in MATRIX.items() if row.method == "get" and not name.startswith("api_")}
    assert pages - NO_PAGES - UNREACHED - seen == set()


def test_the_walk_would_find_what_keeps_people_out(open_page):
    page = open_page(viewport=PHONE)
    page.set_default_timeout(60_000)
    page.goto("/robots.txt")
    page.set_content('<html lang="en"><title>t</title><main><img src="data:,"><p style="width: 900px">wide</p></main>')
    page.evaluate(AXE)
    assert [found.partition(":")[0] for found in page.evaluate(SERIOUS, None)] == ["image-alt"]
    assert page.evaluate(TOO_WIDE) > 500
