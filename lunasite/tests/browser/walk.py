"""A person's way through the site by its links, and what may not be found on any page of it.

Each page is opened once and looked at three ways: at 1280 px in light (every rule of axe), in dark (what only colours
change), and at 390 px (nothing wider than the window).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
from django.urls import Resolver404, ResolverMatch, resolve

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# Without `preload` axe reads no style sheet anew, which the site's policy of content would report. The rows of a table
# behind the twelfth look like those before: most of the time goes to the contrast of each word.
SERIOUS = """async (rules) => {
  const only = rules ? {runOnly: {type: "rule", values: rules}} : {};
  const options = {resultTypes: ["violations"], iframes: false, preload: false, ...only};
  const found = await axe.run({exclude: [["tbody tr:nth-child(n+13)"]]}, options);
  const where = (node) => `${node.target.join(" ")} ${node.any.concat(node.all).map((c) => c.message).join(" ")}`;
  return found.violations.filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => `${each.id}: ${each.nodes.slice(0, 3).map(where).join(" | ")}`);
}"""
AT_REST = """Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().endTime < 5000).map((each) => each.finished.catch(() => null)))
  .then(() => null)"""
PAGE_TOO_WIDE = "Math.max(0, document.scrollingElement.scrollWidth - innerWidth)"
# A list of the admin scrolls in a frame of its own: it must not at a desk, and may on a phone.
TOO_WIDE = """(() => {
  const list = document.querySelector("#changelist-form .results");
  const [page, inside] = [document.scrollingElement.scrollWidth - innerWidth, list?.scrollWidth - list?.clientWidth];
  return Math.max(0, page, inside || 0);
})()"""
# A canvas follows the window's new width with the next picture.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"
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
    "earlier_leaderboard", "submission_progress", "dataset_import_progress", "unsubscribe", "account_logout",
}  # fmt: skip
# Two names of one address: programs of an earlier system ask it as well.
SAME_PAGE = {"earlier_submissions": "submissions"}
# Pages that show more to some: each person walks them; the others are walked by the first who may.
OF_PERSONS = {
    "home", "challenge", "challenge_data", "challenge_news", "challenge_news_post", "phase", "submission",
    "leaderboard", "review", "site_page",
}  # fmt: skip
# No worker runs here, which the page of the site's state says.
EXPECTED = {"/no/such/page/": 404, "/status": 503, "/status/": 503}
PICTURES = os.environ.get("LUNASITE_WALK_PICTURES", "")


def name_of(path: str) -> str | None:
    """Return the name of a page's address, None for what is no page."""
    try:
        match = resolve(path)
    except Resolver404:
        return path
    if match.app_name == "admin":
        return name_in_admin(match)
    name = SAME_PAGE.get(match.url_name or "", match.url_name or "")
    is_api = name.startswith("api_") and name != "api_docs"
    return None if is_api or name in NO_PAGES or name.endswith("_file") else name


def name_in_admin(match: ResolverMatch) -> str | None:
    """Return a name for the first page, for a model's list, and for its form, empty or filled in; None for the rest."""
    name = (match.url_name or "").removesuffix("_add")
    is_form = name != match.url_name or name.endswith("_change")
    if name == "index" or name.endswith("_changelist"):
        return f"admin:{name}"
    return f"admin:{name.removesuffix('_change')}_form" if is_form else None


class Walk:
    """One person's way. seen: names of pages. findings: one line each, with the page."""

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
            # A form that is filled in shows more than an empty one.
            self.waiting.sort(key=lambda path: path.endswith("/add/"))
            path = self.waiting.pop(0)
            name = name_of(urlsplit(path).path)
            if name and name not in self.seen and (self.who == "admin" or not name.startswith("admin:")):
                self.seen.add(name)
                self.look_at(path)

    def look_at(self, path):
        answer = self.page.goto(path)
        if answer.status != EXPECTED.get(path, 200):
            self.note(path, "desktop", f"answered {answer.status}")
        for place, content in DRAWN_BY_SCRIPTS.items():
            if self.page.query_selector(place):
                self.page.wait_for_selector(content)
        self.picture(path, "light")
        self.note(path, "desktop", self.page.evaluate(TOO_WIDE))
        self.page.evaluate(AXE)
        self.note(path, "light", *self.page.evaluate(SERIOUS, None))
        self.page.emulate_media(color_scheme="dark")
        self.page.evaluate(AT_REST)  # the admin's links change their colour slowly
        self.picture(path, "dark")
        self.note(path, "dark", *self.page.evaluate(SERIOUS, OF_COLOURS))
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(PHONE)
        self.page.evaluate(DRAWN)
        self.picture(path, "phone")
        self.note(path, "phone", self.page.evaluate(PAGE_TOO_WIDE))
        self.page.set_viewport_size(DESKTOP)
        links = self.page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        own = [link for link in map(urlsplit, links) if link.netloc == self.host]
        self.waiting += [link._replace(scheme="", netloc="", fragment="").geturl() for link in own]

    def picture(self, path, look):
        if PICTURES:
            name = f"{self.who}-{path.strip('/').replace('/', '_').replace('?', '_') or 'home'}-{look}.png"
            self.page.screenshot(path=Path(PICTURES) / name, full_page=True)

    def note(self, path, look, *found):
        """Keep sentences, and numbers of pixels above zero."""
        kept = [each if isinstance(each, str) else f"{each} px too wide" for each in found if each]
        self.findings += [f"{look} {path}: {each}" for each in kept]
