"""An organiser with nothing but a browser: from a new challenge to its final board, cited."""

import re
import time

import pytest
from playwright.sync_api import expect

from submissions import actions
from submissions.models import Challenge, Dataset, Submission
from submissions.organise.imports.run import run_next_import
from submissions.tests.conftest import answering_image, bench, site_on_engine  # noqa: F401  the engine's fixtures
from submissions.tests.datasets.test_import import HEADER, write_volume
from submissions.tests.evaluated_images import run
from submissions.tests.factories import make_member, make_staff, make_worker
from submissions.tests.organise.conftest import ROWS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MAX_S = 15 * 60


@pytest.fixture
def files(tmp_path):
    """Return the table, and twenty scans as separate files, one with a name too long for a plain tar header."""
    write_volume(tmp_path / "one.mha", spacing=(5.0, 5.0, 5.0))
    scan = (tmp_path / "one.mha").read_bytes()
    long_name = "1.2.0." + "9" * 110
    table = "\n".join([HEADER, *ROWS]).replace(",1.2.0,", f",{long_name},").encode()
    names = [f"{long_name}.mha", *(f"1.2.{number}.mha" for number in range(1, 20))]
    scans = [{"name": name, "mimeType": "application/octet-stream", "buffer": scan} for name in names]
    return {"name": "truth.csv", "mimeType": "text/csv", "buffer": table}, scans


def predictions(page, slug):
    """Return the template of a phase, filled in so that every answer is right."""
    truth = {row.split(",")[6]: row.split(",")[7] for row in ROWS}
    ids = page.request.get(f"/phases/{slug}/template.csv").text().split("\n")[1:]
    lines = [
        f"{case},{'0.9' if truth[case] == '1' else '0.1'}"
        for case in (row.split(",")[0].strip() for row in ids)
        if case
    ]
    return {"name": "p.csv", "mimeType": "text/csv", "buffer": "\n".join(["AnnotationID,probability", *lines]).encode()}


def make_challenge(page):
    page.goto("/")
    page.get_by_role("link", name="Organise", exact=True).click()
    page.get_by_role("link", name="New challenge").first.click()
    page.get_by_label("Title").fill("Lungs 2031")
    page.get_by_label("Slug").fill("lungs")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("button", name="Open it")).to_be_disabled()  # there is no phase


def import_dataset(page, truth, scans):
    page.get_by_role("link", name="Import a dataset").click()
    page.get_by_label("Name of the dataset").fill("lungs")
    page.get_by_label("Drop the table of truth here").set_input_files(truth)
    page.get_by_label("Drop the images here").set_input_files(scans)
    page.get_by_role("button", name="Check it").click()
    page.wait_for_url(re.compile("/organise/imports/"))
    run_next_import()
    page.get_by_text("Nothing is stored yet").wait_for()
    assert not Dataset.objects.exists()
    page.get_by_role("button", name="Import it as it is").click()
    run_next_import()
    page.get_by_role("link", name="lungs v1").click()
    assert "private" in page.get_by_role("main").inner_text()
    assert Dataset.objects.get().cases.exclude(image="").count() == 40


def make_two_phases(page):
    page.goto("/organise/challenges/lungs/")
    page.get_by_role("link", name="Add a phase").click()
    page.get_by_label("Title").fill("Warm-up")
    page.get_by_label("Slug").fill("lungs-warm-up")
    page.get_by_label("Dataset").select_option(label="lungs v1")
    page.get_by_label("Closes").fill("2031-06-30T12:00")
    expect(page.get_by_label("Time zone of these dates")).to_have_value("Europe/Amsterdam")
    page.get_by_role("button", name="Save the phase").click()
    page.get_by_role("link", name="Copy Warm-up").click()
    page.get_by_label("Title").fill("Final")
    page.get_by_label("Slug").fill("lungs-final")
    page.get_by_label("Closes").fill("2031-12-31T12:00")
    page.get_by_role("button", name="Save the phase").click()
    assert page.get_by_role("link", name="Preview Final").is_visible()


def write_texts_and_news(page):
    for line, text in (
        ("Write the overview", "Which nodules are malignant?"),
        ("Write the rules", "One account a person."),
    ):
        page.get_by_role("link", name=line).click()
        page.get_by_label("Text").fill(text)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="Phases, organisers").click()
    page.get_by_role("link", name="Write news").click()
    page.get_by_label("Title").fill("Lungs 2031 opens")
    page.get_by_label("Text").fill("Send a CSV or an image.")
    page.get_by_role("button", name="Publish").click()


def open_to_everybody(page):
    page.goto("/organise/challenges/lungs/")
    page.get_by_role("button", name="Open it").click()
    page.get_by_text("is open to everybody").wait_for()
    assert not Challenge.objects.get().is_hidden


def begin_in(page, path):
    page.goto(path)
    page.get_by_role("button", name=re.compile("accept", re.IGNORECASE)).click()


def sent(page):
    """Return what a participant has sent, when its page has opened."""
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    return Submission.objects.latest("created_at")


def send_csv(page):
    begin_in(page, "/phases/lungs-final/")
    page.get_by_label("Drop the CSV here").set_input_files(predictions(page, "lungs-final"))
    page.get_by_role("button", name="Submit", exact=True).click()
    actions.evaluate(evaluation_id=sent(page).latest.pk, worker="browser test")


def send_image(page, archive):
    begin_in(page, "/phases/lungs-final/?send=docker")
    page.goto("/phases/lungs-final/?send=docker")
    page.get_by_label("Drop the image archive here").set_input_files(archive)
    page.get_by_role("button", name="Submit the image").click()
    evaluation = run(sent(page))
    assert evaluation.status == "completed", (evaluation.failure_code, evaluation.failure_note, evaluation.staff_detail)


def close_freeze_and_cite(page):
    page.goto("/organise/challenges/lungs/")
    page.get_by_role("button", name="Close Final now").click()
    page.get_by_role("button", name="Freeze the board of Final").click()
    page.get_by_text("is frozen: it changes no more").wait_for()
    page.get_by_role("link", name="Final board of Final").click()
    board = page.get_by_role("main").inner_text()
    assert "private" in board
    for team in ("Lung Ranger", "Container Crew"):
        assert team in board
    cited = page.request.get(page.get_by_role("link", name="CITATION.cff").get_attribute("href")).text()
    assert "cff-version: 1.2.0" in cited
    assert "Lungs 2031" in cited


@pytest.mark.engine
@pytest.mark.timeout(MAX_S)
@pytest.mark.usefixtures("site_on_engine")
def test_from_a_new_challenge_to_its_cited_final_board(open_page, files, answering_image, tmp_path):  # noqa: F811
    """No step takes a shell; the fifteen minutes are the issue's, for a person who types what this test types."""
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(answering_image)
    started = time.monotonic()
    make_worker()
    page = open_page(make_staff("organiser", name="olga"), timezone_id="Europe/Amsterdam")
    page.on("dialog", lambda dialog: dialog.accept())

    make_challenge(page)
    import_dataset(page, *files)
    make_two_phases(page)
    write_texts_and_news(page)
    open_to_everybody(page)
    send_csv(open_page(make_member("ann", "Lung Ranger")))
    send_image(open_page(make_member("bob", "Container Crew")), archive)
    close_freeze_and_cite(page)

    assert time.monotonic() - started < MAX_S


def test_a_refused_table_is_told_row_by_row(open_page, files):
    truth, _ = files
    wrong = truth | {"buffer": truth["buffer"].replace(b"A3,1", b"A3,7")}
    page = open_page(make_staff("organiser"), viewport={"width": 390, "height": 800})
    page.goto("/organise/datasets/new/")
    page.get_by_label("Name of the dataset").fill("lungs")
    page.get_by_label("Drop the table of truth here").set_input_files(wrong)
    page.get_by_role("button", name="Import it at once").click()
    page.wait_for_url(re.compile("/organise/imports/"))
    run_next_import()
    page.get_by_role("alert").get_by_text(re.compile("^row 5: the label is not 0 or 1")).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
