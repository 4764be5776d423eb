"""What a participant sees before and after the end, and how a stranger proves that no label was changed (issue 9)."""

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from playwright.sync_api import expect

from submissions import actions
from submissions.datasets.commitment import commitment, revealed_data
from submissions.models import Submission
from submissions.tests.factories import make_dataset, make_member, make_phase, make_staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Twelve cases of each part, so that no AUC of one part is another's.
TRUTH = [0, 1] * 18
SPLITS = ["public", "public", "private", "private", "sample", "sample"] * 6
# Of 36 pairs each, wrong about one of the public cases, two of the private and none of the samples.
VALUES = [(0.2 if label == 0 else 0.8) + number / 1000 for number, label in enumerate(TRUTH)]
for wrong, value in ((0, 0.8015), (2, 0.8035), (8, 0.8036)):
    VALUES[wrong] = value
# A number of a metric, as pages show it.
NUMBER = re.compile(r"\b[01]\.\d{2,}\b")


@pytest.fixture
def phase():
    dataset = make_dataset(truth=TRUTH, splits=SPLITS, patients=False)
    dataset.content_hash = commitment(revealed_data(dataset, dataset.cases.order_by("position")))
    dataset.save()
    return make_phase(dataset, slug="luna", title="Luna", ladder_step=0.01)


def predictions():
    rows = ["AnnotationID,probability", *(f"case{number},{value:.4f}" for number, value in enumerate(VALUES))]
    return {"name": "p.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}


def submitted(page):
    """Send the predictions, let a worker score them, and return the address of the submission's page."""
    page.goto("/phases/luna/")
    page.get_by_label("Drop the CSV here").set_input_files(predictions())
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile("/submissions/[0-9a-f-]{36}/"))
    actions.evaluate(evaluation_id=Submission.objects.get().latest.pk, worker="browser test")
    page.get_by_text("0.97").first.wait_for()  # 35 of 36, on the ladder of 0.01
    return page.url


def numbers_of(scores):
    """Return the numbers of one part between 0 and 1, to three decimals."""
    return {f"{value:.3f}" for value in scores.values() if isinstance(value, float) and 0 < value < 1}


def verified(folder, truth):
    """Return what `verify_record` says to a stranger who has the record, the key and the published truth."""
    (folder / "truth.json").write_text(json.dumps(truth))
    out = io.StringIO()
    files = {"key": folder / "key.json", "data": folder / "truth.json"}
    call_command("verify_record", str(folder / "record.json"), stdout=out, **files)
    return out.getvalue()


def test_one_number_before_the_end_everything_after_it_and_the_proof(open_page, phase, tmp_path):
    ann = open_page(make_member("ann", "Lung Ranger"))
    address = submitted(ann)
    stored = Submission.objects.get().latest.scores
    hidden = numbers_of(stored["public"]) | numbers_of(stored["private"])
    hidden -= numbers_of(stored["sample"]) | {"0.970"}
    assert "0.972" in hidden

    for path in (address, f"{address}report/", f"{address}cases/"):
        ann.goto(path)
        text = ann.get_by_role("main").inner_text()
        assert "sample" in text.lower(), path
        shown = {f"{float(number):.3f}" for number in NUMBER.findall(text)}
        assert not shown & hidden, path
        assert not re.search(r"\bprivate\b.*\d\.\d", text, re.IGNORECASE), path
    ann.goto(address)
    assert ann.locator("figure.chart svg").count() >= 2  # of the sample cases
    assert ann.request.get("/phases/luna/truth.json").status == 404
    record = ann.request.get(f"/api/v1/submissions/{Submission.objects.get().pk}/record")
    (tmp_path / "record.json").write_bytes(record.body())
    (tmp_path / "key.json").write_bytes(ann.request.get("/api/v1/record-key").body())

    olga = open_page(make_staff("organiser", phase, name="olga"))
    olga.on("dialog", lambda dialog: dialog.accept())
    olga.goto(f"/organise/datasets/{phase.dataset_id}/")
    olga.get_by_text("They stay secret now, because these phases over it have not ended: luna").wait_for()
    olga.goto(f"/organise/challenges/{phase.challenge.slug}/")
    olga.get_by_role("button", name="Close Luna now").click()
    olga.get_by_text("Luna is closed").wait_for()

    ann.goto(f"{address}report/")  # the same address as before
    after = ann.get_by_role("main").inner_text()
    ann.get_by_role("link", name="private").click()
    after += ann.get_by_role("main").inner_text()
    assert "0.9444" in after  # 34 of 36
    assert "0.9722" in after

    olga.goto(f"/organise/datasets/{phase.dataset_id}/")
    olga.get_by_role("button", name="Publish truth and nonce").click()
    olga.get_by_text("are public: each of its phases offers them").wait_for()
    expect(olga.get_by_role("button", name="Publish truth and nonce")).to_have_count(0)

    stranger = open_page()
    stranger.goto("/phases/luna/")
    with stranger.expect_download() as download:
        stranger.get_by_role("link", name="Truth and nonce").click()
    truth = json.loads(download.value.path().read_text())
    assert "nothing was changed" in verified(tmp_path, truth)
    truth["cases"][0]["truth"] = 1 - truth["cases"][0]["truth"]
    with pytest.raises(CommandError, match="not the data it was scored on"):
        verified(tmp_path, truth)
