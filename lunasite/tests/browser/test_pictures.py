"""Pictures looked at closely: windows of grey levels and zoom, in place with a script and by the server without."""

import io

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import Image
from playwright.sync_api import expect

from inference.feedback.files import store
from inference.models import Feedback
from submissions.models import Case
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GREYS = (40, 100, 150, 220)  # four bands, beside each other
# "bone" is 140 to 255: 255 · (150 - 140) / 115 = 22, and 255 · (220 - 140) / 115 = 177.
IN_BONE_WINDOW = (0, 0, 22, 177)
WITHOUT_SCRIPT = {"java_script_enabled": False}
NAMES = pytest.mark.parametrize("options", [{}, WITHOUT_SCRIPT], ids=["script", "no script"])


def bands():
    image = Image.new("L", (256, 256))
    for number, grey in enumerate(GREYS):
        image.paste(grey, (64 * number, 0, 64 * number + 64, 256))
    png = io.BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


@pytest.fixture
def reviewer(django_user_model, transactional_db):
    user = django_user_model.objects.create_user("rev", is_staff=True)
    user.groups.add(Group.objects.get(name="reviewer"))
    return user


@pytest.fixture
def feedback(settings, tmp_path, transactional_db):
    settings.FEEDBACK_DIR = tmp_path / "kept"
    stored = store(bands(), "normal", "slice.png")
    return Feedback.objects.create(
        predicted_class="normal", is_correct=True, label="normal", width=256, height=256,
        picture=stored.relative_path, sha256=stored.sha256,
    )  # fmt: skip


@pytest.fixture
def case(transactional_db):
    dataset = make_dataset(truth=[0, 1], splits=["public", "sample"], kind="slice")
    key = storages["datasets"].save("bands.png", ContentFile(bands()))
    Case.objects.filter(dataset=dataset).update(image=key, facts={})
    return make_phase(dataset, slug="p"), dataset.cases.get(split="sample").public_id


def greys_on(page):
    """Return the grey level in the middle of each band, as the browser draws it."""
    # Asked from outside: where scripts are off, a page's own polling asks once and never again.
    expect(page.locator("[data-picture] img")).not_to_have_js_property("naturalWidth", 0)
    drawn = Image.open(io.BytesIO(page.locator("[data-picture] img").screenshot())).convert("L")
    return [drawn.getpixel((drawn.width * (2 * band + 1) // 8, drawn.height // 2)) for band in range(4)]


def through_bone(page):
    page.get_by_role("link", name="Bone", exact=True).click()
    page.locator("a[aria-current=true]", has_text="Bone").wait_for()
    return greys_on(page)


@NAMES
def test_a_reviewer_looks_through_windows(open_page, reviewer, feedback, options):
    page = open_page(reviewer, **options)
    page.goto(f"/review/{feedback.pk}")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    assert greys_on(page) == pytest.approx(GREYS, abs=2)
    assert through_bone(page) == pytest.approx(IN_BONE_WINDOW, abs=2)
    assert any("window=bone" in url for url in asked) == (options == WITHOUT_SCRIPT)


@NAMES
def test_the_picture_of_a_case_has_windows_too(open_page, case, options):
    phase, name = case
    page = open_page(**options)
    page.goto(f"/phases/{phase.slug}/cases/{name}/look/")
    assert through_bone(page) == pytest.approx(IN_BONE_WINDOW, abs=2)


@NAMES
def test_zoom_makes_the_picture_larger_than_its_frame(open_page, reviewer, feedback, options):
    page = open_page(reviewer, **options)
    page.goto(f"/review/{feedback.pk}")
    before = page.locator("[data-picture] img").bounding_box()
    page.get_by_role("link", name="4×").click()
    page.locator("a[aria-current=true]", has_text="4×").wait_for()
    after = page.locator("[data-picture] img").bounding_box()
    assert (after["width"], after["height"]) == pytest.approx((4 * before["width"], 4 * before["height"]), rel=0.02)


def test_own_levels_dragging_and_a_double_click(open_page, reviewer, feedback):
    page = open_page(reviewer)
    page.goto(f"/review/{feedback.pk}")
    page.get_by_label("Black up to").fill("100")
    page.get_by_label("white from").fill("150")
    page.get_by_label("white from").press("Tab")
    assert greys_on(page) == pytest.approx((0, 0, 255, 255), abs=2)
    assert page.locator("a[data-low][aria-current]").count() == 0
    frame = page.get_by_role("group", name="The picture")
    place = frame.bounding_box()
    at = (place["x"] + place["width"] * 0.75, place["y"] + place["height"] / 2)
    page.mouse.dblclick(*at)
    assert page.locator("a[aria-current=true]", has_text="2×").count() == 1
    scrolled = frame.evaluate("frame => frame.scrollLeft")
    assert scrolled > 0  # what was under the pointer stays there
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] + 60, at[1])
    page.mouse.up()
    assert frame.evaluate("frame => frame.scrollLeft") == pytest.approx(scrolled - 60, abs=2)


def test_a_picture_that_must_wait_comes_by_itself(open_page, transactional_db):
    """A scan is decoded one at a time for each reader: beside a list of cases most pictures are first told to wait."""
    splits = ["public"] * 4 + ["sample"] * 2 + ["public"] * 2 + ["sample"] * 2
    phase = make_phase(make_dataset(splits=splits), slug="p")
    Case.objects.update(image=storages["datasets"].save("bands.png", ContentFile(bands())))
    submission = evaluated(user=make_member("own"), phase=phase)
    page = open_page(submission.user)
    told_to_wait, is_busy = [], [True]

    def answer(route):
        if is_busy:
            told_to_wait.append(route.request.url)
            return route.fulfill(status=429, body="wait")
        return route.continue_()

    page.route("**/slice.png*", answer)
    page.goto(f"/submissions/{submission.pk}/cases/")
    page.locator("img.thumbnail.waiting").nth(3).wait_for(state="attached")
    assert not any(picture.is_visible() for picture in page.locator("img.thumbnail").all()), "it is drawn as broken"
    is_busy.clear()
    for picture in page.locator("img.thumbnail").all():
        while not picture.evaluate("picture => picture.naturalWidth"):
            page.wait_for_timeout(100)  # pytest's limit of time ends it
    assert len(told_to_wait) >= page.locator("img.thumbnail").count() == 4
    assert all(picture.is_visible() for picture in page.locator("img.thumbnail").all())
