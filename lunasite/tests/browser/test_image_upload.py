"""A Docker image by form: in parts with a script, in one request without."""

import gzip
import io
import re
import tarfile

import pytest

from submissions.models import Submission, Upload
from submissions.tests.factories import make_member, make_phase
from submissions.uploads import resumable

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def archive(size_bytes=100_000):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        member = tarfile.TarInfo("layer.tar")
        member.size = size_bytes
        tar.addfile(member, io.BytesIO(b"x" * size_bytes))
    return stream.getvalue()


def image(name="my-model.tar", content=None):
    return {"name": name, "mimeType": "application/x-tar", "buffer": content or archive()}


@pytest.fixture
def phase(db):
    return make_phase(slug="warm-up")


def open_form(open_page, **options):
    page = open_page(make_member("ann"), **options)
    page.goto("/phases/warm-up/?send=docker")
    return page


def test_in_parts_with_the_plain_fields_of_the_adapter(open_page, phase, monkeypatch):
    monkeypatch.setattr(resumable, "PART_BYTES", 1 << 20)
    page = open_form(open_page)
    content = archive(2_500_000)
    page.locator("#id_archive").set_input_files(image(content=content))
    page.get_by_label("Title").fill("3D ensemble")
    page.get_by_text("My service differs from the contract").click()
    page.get_by_label("Port").fill("9000")
    page.get_by_label("Where the probability is").fill("data.2.probability")
    page.get_by_label("patientID").check()
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    page.get_by_role("button", name="Submit the image").click()
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    assert len(sent) == 3
    submission = Submission.objects.get()
    assert submission.title == "3D ensemble"
    assert submission.adapter == {"port": 9000, "probability_path": "data.2.probability", "omit": ["patientID"]}
    assert submission.size_bytes == len(content)
    assert not Upload.objects.exists()


def test_a_model_archive_goes_beside_the_image(open_page, phase):
    page = open_form(open_page)
    weights = gzip.compress(archive(70_000))
    page.locator("#id_archive").set_input_files(image())
    page.get_by_text("Weights apart from the image").click()
    page.locator("#id_weights").set_input_files(image("weights.tar.gz", b"no gzip at all"))
    page.locator("[data-upload-text]", has_text="not gzipped").wait_for()
    page.locator("#id_weights").set_input_files(image("weights.tar.gz", weights))
    page.get_by_role("button", name="Submit the image").click()
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    kept = Submission.objects.get().model_archive
    assert (kept.original_name, kept.size_bytes) == ("weights.tar.gz", len(weights))
    assert not Upload.objects.exists()


def test_a_broken_connection_is_waited_out(open_page, phase):
    page = open_form(open_page)
    failures = []

    def break_once(route):
        if failures:
            route.continue_()
        else:
            failures.append(route.request.url)
            route.abort("connectionreset")

    page.route("**/parts/1", break_once)
    page.locator("#id_archive").set_input_files(image())
    page.get_by_role("button", name="Submit the image").click()
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    assert len(failures) == 1
    assert Submission.objects.count() == 1


def test_a_refusal_is_told_in_its_own_words(open_page, phase):
    page = open_form(open_page)
    page.locator("#id_archive").set_input_files(image("my-model.zip"))
    page.get_by_role("button", name="Submit the image").click()
    page.get_by_text("The file is a zip archive").wait_for()
    assert page.get_by_role("button", name="Submit the image").is_enabled()
    assert not Submission.objects.exists()


def test_what_is_not_an_image_is_told_as_soon_as_it_is_chosen(open_page, phase):
    page = open_form(open_page)
    page.locator("#id_archive").set_input_files(image("model.tar", "docker save\r\n".encode("utf-16") * 10_000))
    page.locator("[data-upload-text]", has_text="Windows PowerShell").wait_for()
    page.get_by_text("docker save -o model.tar IMAGE").wait_for()
    assert not Upload.objects.exists()


def test_in_one_request_without_a_script(open_page, phase):
    page = open_form(open_page, java_script_enabled=False)
    page.locator("#id_archive").set_input_files(image())
    page.get_by_role("button", name="Submit the image").click()
    assert "/submissions/" in page.url
    assert Submission.objects.get().original_name == "my-model.tar"


def test_without_a_script_a_refusal_comes_back_on_the_page(open_page, phase):
    page = open_form(open_page, java_script_enabled=False)
    page.locator("#id_archive").set_input_files(image("notes.tar", b"no archive at all" * 100))
    page.get_by_role("button", name="Submit the image").click()
    alert = page.get_by_role("alert").inner_text()
    assert "Not submitted" in alert
    assert "No try was spent" in alert
    assert not Submission.objects.exists()
