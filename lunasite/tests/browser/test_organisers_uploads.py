"""What organisers send in a real browser arrives in parts: a broken connection costs a part, a closed page nothing."""

import re

import pytest

from submissions.models import DataFile, Upload
from submissions.tests.factories import make_phase, make_staff
from submissions.uploads import resumable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PART = 1 << 20
SCANS = {"name": "scans.zip", "mimeType": "application/zip", "buffer": b"PK\x03\x04" + bytes(range(256)) * 10_000}


@pytest.fixture
def phase(monkeypatch):
    monkeypatch.setattr(resumable, "PART_BYTES", PART)
    return make_phase(slug="warm-up")


def open_form(open_page, phase):
    page = open_page(make_staff("organiser", phase))
    page.goto(f"/challenges/{phase.challenge.slug}/data/")
    page.get_by_text("For organisers: hand out a file").click()
    return page


def test_a_data_file_waits_a_broken_connection_out(open_page, phase):
    page = open_form(open_page, phase)
    broken = []

    def break_once(route):
        if broken:
            route.continue_()
        else:
            broken.append(route.request.url)
            route.abort("connectionreset")

    page.route("**/parts/2", break_once)
    page.get_by_label("Drop the file here").set_input_files(SCANS)
    page.get_by_label("Version").fill("1.0")
    page.get_by_role("button", name="Add the file").click()
    page.get_by_text("scans.zip is on the page").wait_for()
    assert len(broken) == 1
    assert DataFile.objects.get().size_bytes == len(SCANS["buffer"])
    assert not Upload.objects.exists()


def test_a_data_file_goes_on_after_the_page_was_closed(open_page, phase):
    page = open_form(open_page, phase)
    page.route("**/parts/3", lambda route: route.abort("connectionreset"))
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.url.endswith("/parts/2")):
        page.get_by_label("Drop the file here").set_input_files(SCANS)
        page.get_by_role("button", name="Add the file").click()
    page.get_by_text("The connection broke").wait_for()
    assert sorted(resumable.received(Upload.objects.get())) == [1, 2]

    sent = []
    page.unroute("**/parts/3")
    page.goto(f"/challenges/{phase.challenge.slug}/data/")
    page.on("request", lambda request: sent.append(request.url[-1]) if request.method == "PUT" else None)
    page.get_by_text("66 % here").wait_for()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Resume scans.zip").click()
    chooser.value.set_files(SCANS)
    page.get_by_role("button", name="Add the file").click()
    page.get_by_text("scans.zip is on the page").wait_for()
    assert sent == ["3"]


def test_images_of_a_dataset_that_were_begun_are_listed_to_resume_or_delete(open_page, phase):
    user = make_staff("organiser", phase)
    resumable.begin(user=user, filename="images.zip", size_bytes=3 * PART, purpose=Upload.Purpose.DATASET)
    page = open_page(user)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/organise/datasets/new/")
    assert page.get_by_role("button", name="Resume images.zip").is_visible()
    page.get_by_role("button", name="Delete images.zip").click()
    page.wait_for_url(re.compile("/organise/datasets/new/$"))
    assert not Upload.objects.exists()
