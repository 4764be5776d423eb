"""Trying the models and reviewing feedback, by hand and by keyboard."""

import io
import zipfile

import pytest
from django.contrib.auth.models import Group

from inference.feedback.files import store
from inference.models import Feedback
from inference.tests.fake_engine import FakeEngine
from inference.tests.samples import mha, picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}}
WITHOUT_SCRIPT = {"java_script_enabled": False}


@pytest.fixture
def fake(monkeypatch, settings, tmp_path) -> FakeEngine:
    settings.FEEDBACK_DIR = tmp_path / "kept"
    settings.DRIFT_CURRENT_PATH = tmp_path / "drift.csv"
    one = FakeEngine()
    monkeypatch.setattr("inference.actions.engine", lambda: one)
    return one


@pytest.fixture
def staff(django_user_model, transactional_db):
    user = django_user_model.objects.create_user("rev", "rev@example.org", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=["reviewer", "operator"]))  # the operator sees the drift
    return user


def feedback(number: int) -> Feedback:
    stored = store(picture((64 + number, 64)), "normal", "slice.png")
    return Feedback.objects.create(
        predicted_class="normal", is_correct=True, label="normal", confidence=0.8, width=64, height=64,
        picture=stored.relative_path, sha256=stored.sha256,
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, PHONE, WITHOUT_SCRIPT], ids=["wide", "phone", "no script"])
def test_a_slice_is_classified_and_the_answer_reported(fake, open_page, tmp_path, options):
    (tmp_path / "slice.png").write_bytes(picture((128, 128)))
    page = open_page(**options)
    page.goto("/try")
    page.set_input_files("input[name=slice-file]", tmp_path / "slice.png")
    page.get_by_role("button", name="Classify").click()
    page.wait_for_selector("text=What it does not mean")
    assert page.locator(".slice-answer img").count() == 3
    page.click("text=Is that right?")
    page.check("text=No, it is wrong")
    page.select_option("select[name=correct_class]", "normal")
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector("text=Thank you")
    assert (Feedback.objects.get().predicted_class, Feedback.objects.get().label) == ("adenocarcinoma", "normal")


def test_a_lesion_is_shown_under_the_cross_hair(fake, open_page, staff, tmp_path):
    (tmp_path / "scan.mha").write_bytes(mha())
    page = open_page(signed_in=staff)
    page.goto("/try")
    page.set_input_files("input[name=lesion-file]", tmp_path / "scan.mha")
    for axis, value in zip("xyz", ("1", "2", "3"), strict=True):
        page.fill(f"input[name=lesion-{axis}]", value)
    page.get_by_role("button", name="Predict malignancy").click()
    page.wait_for_selector(".planes")
    assert page.locator(".planes svg path.cross").count() == 3


def test_feedback_is_reviewed_by_keyboard_and_taken_away(fake, open_page, staff):
    rows = [feedback(number) for number in range(4)]
    page = open_page(signed_in=staff)
    page.goto("/review")
    page.click("text=Start reviewing")
    page.wait_for_url("**/review/*?*")  # with its script: a key pressed earlier would be lost
    for key, following in (("a", 1), ("r", 2), ("j", 3), ("k", 2), ("u", 3)):
        page.keyboard.press(key)
        page.wait_for_url(f"**/review/{rows[following].pk}?*")
    assert [Feedback.objects.get(pk=row.pk).state for row in rows] == ["accepted", "rejected", "unsure", "waiting"]
    page.fill("textarea", "jar")  # letters in a note are no commands
    assert page.url.split("?")[0].endswith(f"/review/{rows[3].pk}")
    page.goto("/review")
    with page.expect_download() as download:
        page.click("text=Export accepted pictures")
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as folder:
        assert folder.namelist() == [rows[0].picture, "manifest.csv"]
