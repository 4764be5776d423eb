"""Sample cases in a CSV: optional, scored apart like a counted split, and never able to fail what counts."""

import io
import random

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from submissions import actions
from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Case
from submissions.tests.factories import GOOD, make_dataset, make_member, make_phase

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
SAMPLES = {"s0": 0, "s1": 1, "s2": 0, "s3": 1}
PERFECT = {public_id: 0.2 + 0.6 * label for public_id, label in SAMPLES.items()}


@pytest.fixture
def phase():
    dataset = make_dataset(splits=["public", "private"] * 5)
    Case.objects.bulk_create(
        Case(dataset=dataset, position=50 + i, public_id=name, truth=label, split="sample", patient=f"s{i}")
        for i, (name, label) in enumerate(SAMPLES.items())
    )
    return make_phase(dataset, slug="luna")


def sent(phase, samples):
    values = {f"case{i}": p for i, p in enumerate(GOOD)} | samples
    lines = [f"{public_id},{p!r}" for public_id, p in values.items()]
    random.Random(1).shuffle(lines)
    text = "\n".join(["AnnotationID,probability", *lines])
    file = SimpleUploadedFile("p.csv", text.encode())
    submission = actions.submit_csv(user=make_member(), phase=phase, file=file, received_at=timezone.now())
    actions.evaluate(evaluation_id=submission.latest.pk, worker="tests")
    return submission.latest


def test_samples_are_scored_apart_with_metrics_curves_and_answers(phase):
    evaluation = sent(phase, PERFECT)
    assert evaluation.scores["sample"]["auc"] == 1.0
    assert evaluation.scores["sample"]["n"] == 4
    assert "auc_ci" in evaluation.scores["sample"]
    assert evaluation.curves["sample"].keys() == evaluation.curves["public"].keys()
    assert evaluation.sample_answers == {public_id: [p] for public_id, p in PERFECT.items()}


def test_what_counts_is_the_same_with_samples_and_without(phase):
    with_samples, without = sent(phase, PERFECT), sent(phase, {})
    assert {split: with_samples.scores[split] for split in ("public", "private")} == without.scores
    assert bytes(with_samples.predictions) == bytes(without.predictions)
    assert without.sample_answers == {}


def test_some_of_the_samples_are_scored_as_some(phase):
    scores = sent(phase, {"s0": 0.9, "s1": 0.1, "s2": 0.05}).scores["sample"]
    assert (scores["n"], scores["auc"]) == (3, 0.5)


def test_samples_of_one_class_are_only_counted(phase):
    evaluation = sent(phase, {"s0": 0.9, "s2": 0.1})
    assert evaluation.status == "completed"
    assert evaluation.scores["sample"] == {"n": 2}


def test_the_template_offers_samples_and_counted_ids_in_an_order_that_is_secret(phase):
    lines = Client().get("/phases/luna/template.csv").content.decode().splitlines()
    ids = [line.partition(",")[0] for line in lines[1:]]
    assert sorted(ids) == sorted([*phase.case_ids(), *SAMPLES])
    assert ids == phase.dataset.handed_out_ids()
    phase.dataset.secret_key = "00" * 32
    assert ids != phase.dataset.handed_out_ids()
    file = SimpleUploadedFile("p.csv", "\n".join(lines).encode())
    assert actions.submit_csv(user=make_member(), phase=phase, file=file, received_at=timezone.now())


def test_missing_ids_are_told_sorted_and_samples_are_never_missing(phase):
    text = "AnnotationID,probability\ncase5,0.5\n"
    with pytest.raises(CsvProblems) as refused:
        actions.submit_csv(
            user=make_member(), phase=phase, file=SimpleUploadedFile("p.csv", text.encode()), received_at=timezone.now()
        )
    assert list(refused.value.missing_ids) == [f"case{i}" for i in range(10) if i != 5]


def test_anybody_reads_the_truth_of_the_samples_and_of_nothing_else(phase):
    for path in ("/phases/luna/samples.csv", "/api/v1/phases/luna/samples"):
        rows = list(io.StringIO(Client().get(path).content.decode(), newline=None))
        assert rows == ["id,truth\n", "s0,benign\n", "s1,malignant\n", "s2,benign\n", "s3,malignant\n"]
