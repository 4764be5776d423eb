"""Every page in the browser: nothing leaves the site, nothing is blocked, everything is reached by keyboard."""

import pytest
from django.urls import reverse

from submissions import actions
from submissions.tests.factories import make_member, make_phase, make_submission, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPEN = [
    "/", "/leaderboards/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/terms/",
    "/api/docs/",
]  # fmt: skip
OWN = [
    "/submissions/", "/team/", "/account/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/",
    "/accounts/logout/", "/no/such/page",
]  # fmt: skip
STAFF = ["admin:index", "review", "drift"]


@pytest.fixture
def scored(db):
    user = make_member("ann", "Lung Ranger")
    phase = make_phase(slug="warm-up", title="Warm-up", quotas=[(3, None)])
    submission = make_submission(user=user, phase=phase)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    return submission


def phase_pages():
    boards = [reverse(f"leaderboard{name}", args=["warm-up"]) for name in ("", "_history", "_compare")]
    place = ["/challenges/warm-up/", "/challenges/warm-up/news/", "/search?q=warm"]
    return ["/phases/warm-up/", "/phases/warm-up/?send=docker", *place, *boards]


def addresses(names):
    """Return the addresses of those names that this site has."""
    from django.urls import NoReverseMatch

    found = []
    for name in names:
        try:
            found.append(reverse(name))
        except NoReverseMatch:
            continue
    return found


@pytest.mark.parametrize(
    "look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}]
)
def test_nothing_leaves_the_site_and_nothing_is_blocked(open_page, scored, look):
    """The watching fixture fails the test; here pages are opened, and none may be wider than its window."""
    own_pages = [*OWN, *phase_pages(), f"/submissions/{scored.pk}/", *addresses(["try_it"])]
    for who, pages in ((None, OPEN), (scored.user, own_pages)):
        page = open_page(who, **look)
        for path in pages:
            page.goto(path, wait_until="networkidle")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0 or path == "/api/docs/", f"{path} is {wide} px too wide"
            page.locator("h1, h2").first.wait_for()


def test_staff_pages_too(open_page, scored):
    page = open_page(make_user("root", is_staff=True, is_superuser=True))
    listings = [f"/admin/submissions/{name}/" for name in ("phase", "evaluation", "submission", "dataset", "team")]
    for path in [*addresses(STAFF), *listings, f"/admin/submissions/submission/{scored.pk}/change/"]:
        page.goto(path, wait_until="networkidle")


PHONE = {"viewport": {"width": 390, "height": 844}}


def test_the_head_takes_two_lines_on_a_phone_and_one_at_a_desk_for_staff_too(open_page, scored):
    root = make_user("organiser", is_staff=True, is_superuser=True)
    for size, most in ((PHONE, 100), ({"viewport": {"width": 1280, "height": 900}}, 70)):
        page = open_page(root, **size)
        page.goto("/organise/")
        assert page.locator(".site-header").bounding_box()["height"] <= most
        link = page.get_by_label("Site").get_by_role("link", name="Organise")
        box = link.bounding_box()
        right = box["x"] + box["width"]
        assert 0 <= box["x"] < right <= page.viewport_size["width"], "the open page's link is out of sight"


def test_on_a_phone_a_long_heading_has_its_own_room_and_an_empty_cell_takes_none(open_page, scored):
    page = open_page(scored.user, **PHONE)
    page.goto("/guide/")
    cell = page.locator("#UPLOAD_EMPTY td").last
    needed = cell.evaluate("""cell => {
      const label = document.createElement("div");
      label.textContent = cell.dataset.label;
      label.style.cssText = "width: 7rem; font-size: .82rem; font-weight: 600";
      cell.parentElement.parentElement.parentElement.parentElement.append(label);
      return label.offsetHeight;
    }""")
    assert cell.bounding_box()["height"] >= needed > 60
    page.goto(f"/submissions/{scored.pk}/")
    blanks = page.locator("table.cards td.blank")
    assert not any(blank.is_visible() for blank in blanks.all())


def test_one_can_sign_in_and_submit_by_keyboard_alone(open_page, scored):
    page = open_page()
    page.goto("/accounts/login/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for text in ("ann", "a-long-password"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()

    page.goto("/phases/warm-up/#submit")
    seen = [focused(page) for _ in range(40) if page.keyboard.press("Tab") is None]
    for name in ("Predictions (CSV)", "Docker image", "file", "Check my file", "Submit"):
        assert name in seen, f"{name} is not reached by Tab: {seen}"


def focused(page):
    return page.evaluate("(document.activeElement.textContent || document.activeElement.name || '').trim()")


def test_whatever_has_the_focus_shows_it(open_page, scored):
    page = open_page()
    page.goto("/accounts/login/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    assert width >= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(open_page, scored, scheme):
    """WCAG AA: 4.5 : 1 for every pair of colours the style sheet puts together."""
    page = open_page(color_scheme=scheme)
    page.goto("/")
    pairs = [
        ("ink", "paper"), ("ink", "surface"), ("ink-2", "surface"), ("ink-2", "paper"), ("ink-2", "sunken"),
        ("accent", "surface"), ("accent", "paper"), ("accent-ink", "accent"), ("ok", "ok-soft"), ("bad", "bad-soft"),
        ("warn", "warn-soft"), ("run", "run-soft"), ("bad", "surface"), ("ink", "accent-soft"), ("ink", "bad-soft"),
    ]  # fmt: skip
    colours = {name: page.evaluate(COLOUR, f"--{name}") for pair in pairs for name in pair}
    low = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


COLOUR = """name => {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
  const full = text.length === 3 ? [...text].map(c => c + c).join('') : text;
  return [0, 2, 4].map(i => parseInt(full.slice(i, i + 2), 16) / 255);
}"""


def contrast(one, other):
    """Return the contrast ratio of two sRGB colours (WCAG 2.2, section 1.4.3)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
