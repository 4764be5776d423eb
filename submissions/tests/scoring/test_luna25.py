"""The main job on real data: a real entry's file against LUNA25's table, to 1e-9 (the README of the real data)."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone

from submissions import actions
from submissions.models import Phase
from submissions.tests.factories import make_member

pytestmark = [pytest.mark.realdata, pytest.mark.django_db]
TABLE = "luna25/LUNA25_Public_Training_Development_Data.csv"
ENTRY = "luna25/hiera3d_all_folds_predictions.csv"
KNOWN = {
    "auc": 0.8909196643, "sensitivity_at_95_specificity": 0.4738738739, "specificity_at_95_sensitivity": 0.5690085592,
    "average_precision": 0.4934904245, "accuracy": 0.8140515982, "precision": 0.3031312458, "recall": 0.8198198198,
    "f1": 0.4426070039,
}  # fmt: skip


@pytest.fixture
def phase(real_data):
    table = {"kind": "lesion", "name": "luna25", "truth": str(real_data / TABLE)}
    call_command("import_dataset", **table, practice=True, stdout=io.StringIO())
    call_command("open_phase", dataset="luna25", slug="luna25", title="LUNA25", decimals=None, stdout=io.StringIO())
    return Phase.objects.get()


def submit(phase, data):
    submission = actions.submit_csv(
        user=make_member(), phase=phase, file=SimpleUploadedFile("x.csv", data), received_at=timezone.now()
    )
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    return submission.latest.scores["public"]


def test_a_real_entry_gets_its_known_numbers(phase, real_data):
    scores = submit(phase, (real_data / ENTRY).read_bytes())
    assert scores["n"] == 6163
    for name, value in KNOWN.items():
        assert scores[name] == pytest.approx(value, abs=1e-9), name
    assert scores["auc_ci"]["luna25"] == pytest.approx([0.8776601529, 0.9031964169], abs=1e-9)


def test_shuffling_the_file_changes_nothing(phase, real_data):
    lines = (real_data / ENTRY).read_text().splitlines()
    shuffled = "\n".join([lines[0], *sorted(lines[1:], key=lambda line: line[::-1])]).encode()
    assert submit(phase, shuffled)["auc_ci"]["luna25"] == pytest.approx([0.8776601529, 0.9031964169], abs=1e-9)
