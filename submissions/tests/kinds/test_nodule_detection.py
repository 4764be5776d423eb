"""Nodule detection through the whole product: table, phase, CSV, score, board, page, API."""

import io

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from submissions import actions
from submissions.intake.csv.predictions import CsvProblems, read_predictions, template
from submissions.kinds import KINDS
from submissions.models import Case, Phase, Submission
from submissions.tests.factories import make_member

KIND = KINDS["nodule-detection"]
# The example of test_froc.py as a table, with a scan that has no finding.
TABLE = """seriesuid,coordX,coordY,coordZ,diameter_mm,label,PatientID
1.1,0,0,0,10,nodule,P1
1.1,50,0,0,4,nodule,P1
1.1,0,50,0,-1,irrelevant,P1
1.2,0,0,0,6,nodule,P2
1.3,,,,,none,P3
"""
CSV = """seriesuid,coordX,coordY,coordZ,probability
1.1,4.9,0,0,0.6
1.2,0,0,2.9,0.5
1.1,0,0,0,0.8
1.1,0,50,1,0.99
1.1,100,0,0,0.7
1.1,52,0,0,0.9
"""
# Three scans: the points are (1/3, 0) (1/3, 1/3) (2/3, 1/3) (2/3, 2/3).
EXPECTED = {"sensitivity_at_1_4_fp": 0, "sensitivity_at_1_2_fp": 1 / 3, "sensitivity_at_1_fp": 2 / 3, "cpm": 3 / 7}
IDS = ["1.1", "1.2", "1.3"]


def read(text):
    return read_predictions(text.encode(), KIND, IDS, max_bytes=10**7)


def imported(tmp_path, text=TABLE, **options):
    path = tmp_path / "truth.csv"
    path.write_text(text)
    options.setdefault("practice", not {"public_fraction", "split_column"} & set(options))
    call_command("import_dataset", kind=KIND.name, name="scans", truth=str(path), stdout=io.StringIO(), **options)


@pytest.fixture
def phase(db, tmp_path):
    imported(tmp_path)
    call_command(
        "open_phase",
        dataset="scans",
        slug="scans",
        title="Scans",
        decimals=None,
        disclosure="practice",
        stdout=io.StringIO(),
    )
    return Phase.objects.get()


def submitted(phase, user, text=CSV):
    file = SimpleUploadedFile("x.csv", text.encode())
    submission = actions.submit_csv(user=user, phase=phase, file=file, received_at=timezone.now())
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    return Submission.objects.get(pk=submission.pk)


def test_a_scan_gathers_its_rows(phase):
    assert list(Case.objects.order_by("position").values_list("public_id", "patient")) == [
        ("1.1", "P1"), ("1.2", "P2"), ("1.3", "P3"),
    ]  # fmt: skip
    assert Case.objects.get(public_id="1.1").truth == {
        "nodules": [[0, 0, 0, 10], [50, 0, 0, 4]], "irrelevant": [[0, 50, 0, 10]]
    }  # fmt: skip
    assert Case.objects.get(public_id="1.3").truth == {"nodules": [], "irrelevant": []}
    assert (phase.accepts_csv, phase.accepts_docker, phase.ranking_metric) == (True, False, "cpm")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("1.2,0,0,0,6,nodule", "1.2,0,0,0,6,lump", "row 5: the label is none of nodule, irrelevant, none"),
        ("1.2,0,0,0,6,nodule", "1.2,0,0,,6,nodule", "row 5: coordz is not a number"),
        ("1.2,0,0,0,6,nodule", "1.2,0,0,0,-1,nodule", "row 5: the diameter is not more than 0 mm"),
        ("1.2,0,0,0,6,nodule", "1.2,0,0,0,0,nodule", "row 5: the diameter is not more than 0 mm"),
        ("1.2,0,0,0,6,nodule,P2", ",0,0,0,6,nodule,P2", "row 5: the id is empty"),
        ("1.1,50,0,0,4,nodule,P1", "1.1,50,0,0,4,nodule,P9", "row 3: image, patient or split differ"),
        ("1.3,", "1.2,", "the scan has other rows beside the one labelled none"),
        ("nodule", "irrelevant", "the public split holds no nodule; it cannot be scored"),
        ("diameter_mm", "size", "no column 'diameter_mm'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_in_words(tmp_path, old, new, problem):
    text = TABLE.replace("P2", "P3") if new == "1.2," else TABLE
    with pytest.raises(CommandError, match=problem):
        imported(tmp_path, text.replace(old, new))
    assert not Case.objects.exists()


def test_a_scan_may_have_any_number_of_candidates():
    predictions = read(CSV).predictions
    assert [each.tolist() for each in predictions[1:]] == [[[0, 0, 2.9, 0.5]], []]
    assert predictions[0][:, 3].tolist() == [0.6, 0.8, 0.99, 0.7, 0.9]


@pytest.mark.parametrize(
    ("old", "new", "code", "reason"),
    [
        ("1.2,0,0,2.9,0.5", "9.9,0,0,2.9,0.5", "CSV_IDS", "not an id of this phase"),
        ("1.2,0,0,2.9,0.5", "1.2,0,0,2.9,1.5", "CSV_VALUE", "not between 0 and 1"),
        ("1.2,0,0,2.9,0.5", "1.2,0,0,1e9,0.5", "CSV_VALUE", "not between -100000 and 100000"),
        ("1.2,0,0,2.9,0.5", "1.2,0,0,,0.5", "CSV_VALUE", "the value is empty"),
        ("coordY", "y", "CSV_COLUMNS", "the column is missing"),
        ("1.2,0,0,2.9,0.5\n", "1.2,0,0,2.9,0.5\n" * 501, "CSV_IDS", "more than 500 rows"),
    ],
)
def test_a_csv_is_refused_with_its_reason(old, new, code, reason):
    with pytest.raises(CsvProblems) as caught:
        read(CSV.replace(old, new))
    assert caught.value.code == code
    assert reason in caught.value.problems[0].reason


def test_a_file_without_a_row_is_a_mistake():
    with pytest.raises(CsvProblems, match="CSV_EMPTY"):
        read("seriesuid,coordX,coordY,coordZ,probability\n")


def test_the_template_names_every_scan():
    assert read(template(KIND, IDS)).rows == 3


@pytest.mark.parametrize("answers", [[], [[]], [[[1, 2, 3, 0.5]], [], [[4, 5, 6, 0.25], [7, 8, 9, 1 / 3]], []]])
def test_candidates_come_back_bit_for_bit(answers):
    predictions = KIND.gather(answers)
    back = KIND.unpack(KIND.pack(predictions))
    assert len(back) == len(answers)
    assert all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(predictions, back, strict=True))


@pytest.mark.slow
def test_a_submission_is_scored_ranked_and_shown(phase, client):
    user = make_member()
    first, second = submitted(phase, user), submitted(phase, make_member(), CSV.replace("0.9\n", "0.1\n"))
    scores = first.current_evaluation.scores["public"]
    assert {name: scores[name] for name in EXPECTED} == pytest.approx(EXPECTED, abs=1e-15)
    assert set(scores["cpm_ci"]) == {"cases", "patient", "wilson"}
    assert np.vstack(KIND.unpack(first.current_evaluation.predictions)).shape == (6, 4)
    assert second.current_evaluation.scores["public"]["cpm"] > scores["cpm"]

    client.force_login(user)
    page = client.get(f"/submissions/{first.pk}/").content.decode()
    assert "FROC" in page
    assert "Competition performance metric" in page
    board = client.get("/leaderboards/scans/").content.decode()
    assert board.index(second.team.name) < board.index(first.team.name)


@pytest.mark.slow
def test_two_entries_are_compared_on_the_same_scans(phase, client):
    user = make_member()
    first, second = submitted(phase, user), submitted(phase, user, CSV.replace("0.9\n", "0.1\n"))
    client.force_login(user)
    answer = client.get(f"/leaderboards/scans/compare/?a={first.pk}&b={second.pk}")
    assert answer.status_code == 200
    assert "Competition performance metric" in answer.content.decode()


def test_the_phase_says_what_it_takes(phase, client):
    page = client.get("/phases/scans/").content.decode()
    assert "<code>coordX</code>" in page
    assert "What a Docker image must do" not in page
    response = APIClient().get("/api/v1/phases/scans").json()
    assert (response["kind"], response["container"]) == ("nodule-detection", None)
    assert response["csv"]["template_columns"] == ["seriesuid", "coordX", "coordY", "coordZ", "probability"]


def test_a_phase_that_no_contract_serves_cannot_take_images(phase):
    phase.accepts_docker = True
    with pytest.raises(Exception, match="No container contract serves"):
        phase.full_clean()


def test_an_image_is_named_by_its_scan_unless_the_table_names_a_file():
    assert KIND.image_name({"seriesuid": "1.2.3"}) == "1.2.3.mha"
    assert KIND.image_name({"seriesuid": "1.2.3", "file": "a.mha"}) == "a.mha"
