"""An organiser's table passes the reader of the API's contract, and what looks like a mistake is warned of."""

import io
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from submissions.kinds import KINDS
from submissions.models import Case, Dataset

pytestmark = pytest.mark.django_db
FILES = Path(__file__).parent.parent / "foreign_files"
HEADER = (
    "PatientID,SeriesInstanceUID,CoordX,CoordY,CoordZ,LesionID,AnnotationID,label,StudyDate,Age_at_StudyDate,Gender"
)


def row(number: int, patient: str = "", point: str = "", series: str = "", last: str = "20010101,55,Male") -> str:
    place = point or f"{number},2,3"
    return f"{patient or f'P{number}'},{series or f'1.{number}'},{place},1,A{number},{number % 2},{last}"


@pytest.fixture
def run(tmp_path):
    def import_rows(rows, header=HEADER, **options):
        truth, response, warned = tmp_path / "truth.csv", io.StringIO(), io.StringIO()
        truth.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        options.setdefault("practice", not {"public_fraction", "split_column"} & set(options))
        call_command(
            "import_dataset", kind="lesion", name="d", truth=str(truth), stdout=response, stderr=warned, **options
        )
        return warned.getvalue()

    return import_rows


SPELLINGS = [
    ("20010101.0,55.0,F", ("20010101", "55", "Female")), ("2001-01-01,055Y,m", ("20010101", "55", "Male")),
    ("20240229,0.,FEMALE", ("20240229", "0", "Female")), ("20010101,130,Male", ("20010101", "130", "Male")),
    (",,", (None, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(("last", "expected"), SPELLINGS)
def test_what_means_one_thing_is_brought_into_the_contracts_form(run, last, expected):
    run([row(0, last=last), row(1)])
    clinical = Case.objects.get(public_id="A0").facts.get("clinical", {})
    assert tuple(clinical.get(name) for name in ("StudyDate", "Age_at_StudyDate", "Gender")) == expected
    fields = KINDS["lesion"].request_fields(Case.objects.get(public_id="A0").facts, series="7", lesion=1)
    assert tuple(fields.get(name) for name in ("studyDate", "ageAtStudyDate", "gender")) == expected


REFUSED = [
    ("20010229,55,F", "StudyDate is not a date"), ("01/02/2001,55,F", "StudyDate is not a date"),
    ("20010101.5,55,F", "StudyDate is not a date"), ("20010101,55.5,F", "not a whole number of years"),
    ("20010101,131,F", "not a whole number of years"), ("20010101,-1,F", "not a whole number of years"),
    ("20010101,NA,F", "not a whole number of years"), ("20010101,006M,F", "not a whole number of years"),
    ("20010101,55,O", "Gender is none of"), ("20010101,55,nan", "Gender is none of"),
    ("\u0662\u0660\u0660\u0661,55,F", "StudyDate"),
]  # fmt: skip


@pytest.mark.parametrize(("last", "words"), REFUSED)
def test_anything_else_is_refused_with_its_row(run, last, words):
    with pytest.raises(CommandError, match=f"row 3: .*{words}"):
        run([row(0), row(1, last=last)])
    assert Dataset.objects.count() == 0


def test_a_column_that_pandas_wrote_is_imported():
    """Case 15: pandas-dev/pandas#20717, #28335, enzoampil/phcovid#36."""
    call_command(
        "import_dataset", kind="lesion", name="x", truth=str(FILES / "case-15-truth.csv"), stdout=io.StringIO()
    )
    case = Case.objects.get(public_id="200100_1_20010101")
    assert case.facts["clinical"] == {"StudyDate": "20010101", "Age_at_StudyDate": "55", "Gender": "Female"}
    ages = {facts["clinical"].get("Age_at_StudyDate", "") for facts in Case.objects.values_list("facts", flat=True)}
    assert all(age.isdigit() or age == "" for age in ages)


def test_what_a_dataset_of_before_holds_is_sent_in_the_contracts_form_or_not_at_all():
    old = {"point_xyz_mm": [1, 2, 3], "clinical": {"StudyDate": "20010101.0", "Age_at_StudyDate": "old", "Gender": "F"}}
    fields = KINDS["lesion"].request_fields(old, series="7", lesion=1)
    assert (fields["studyDate"], fields["gender"]) == ("20010101", "Female")
    assert "ageAtStudyDate" not in fields


def test_a_sound_table_is_not_warned_of(run):
    assert run([row(number) for number in range(6)]) == ""


@pytest.mark.parametrize("changed", ["12.0", "1.2E+30", "1,2E+30", "1.2e+08", "NA", "nan"])
def test_an_id_that_a_program_changed_is_warned_of(run, changed):
    written = '"1,2E+30"' if "," in changed else changed
    warned = run([row(0), row(1).replace(",A1,", f",{written},"), row(3)])
    assert f"Ids that look as if a program had changed them (1): row 3 ({changed})." in warned
    assert "in pandas with dtype=str" in warned


def test_a_patient_in_two_splits_is_warned_of(run):
    rows = [f"{row(n, patient=f'P{n // 2}')},{'public' if n % 4 < 2 else 'private'}" for n in range(8)]
    rows += [f"{row(8, patient='P0')},private", f"{row(9, patient='P0')},private"]
    warned = run(rows, HEADER + ",split", split_column="split")
    assert "Patients with cases in more than one split, private and public (1): P0. Split by patient." in warned
    assert run(rows, HEADER + ",split", public_fraction=0.5) == ""


def test_a_point_given_twice_is_warned_of(run):
    warned = run([row(0, series="1.5", point="1,2,3"), row(1, series="1.5", point="1.0,2.00,3"), row(2, point="1,2,3")])
    assert "Rows with a point of an image that was given before (1): row 3 (as row 2)." in warned


def scans(folder: Path, names: list[str]) -> Path:
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6), dtype=np.int16))
    image.SetOrigin((-10, -20, -30))
    image.SetSpacing((1, 2, 3))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, 1))
    for name in names:
        SimpleITK.WriteImage(image, str(folder / f"{name}.mha"))
    return folder


INSIDE = ["-10,-20,-30", "-2,-15,-21", "-10.9,-20.4,-31.4"]
OUTSIDE = ["-11.1,-20,-30", "-10,-20.6,-30", "-10,-20,-19.4", "0,0,0", "-15,-1,-21"]


@pytest.mark.slow
@pytest.mark.parametrize("points", [INSIDE, OUTSIDE])
def test_points_outside_of_their_image_are_warned_of(run, tmp_path, own_files, points):
    images = scans(tmp_path, [f"1.{number}" for number in range(len(points))])
    warned = run([row(number, point=point) for number, point in enumerate(points)], images=str(images))
    if points is INSIDE:
        assert warned == ""
        return
    assert "Rows with a point outside of its image (5): row 2, row 3, row 4, row 5, row 6." in warned
    assert "LPS" in Dataset.objects.get().warnings[0]


def test_the_admin_shows_what_was_warned_of(run, client):
    run([row(0, series="1.5", point="1,2,3"), row(1, series="1.5", point="1,2,3")])
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.org", "x"))
    page = client.get(f"/admin/submissions/dataset/{Dataset.objects.get().pk}/change/").content.decode()
    assert "given before (1): row 3 (as row 2)" in page


@pytest.mark.parametrize("label", ["nodule", "irrelevant"])
def test_findings_of_nodule_detection_are_looked_at_too(tmp_path, label):
    truth, warned = tmp_path / "truth.csv", io.StringIO()
    lines = ["seriesuid,coordX,coordY,coordZ,diameter_mm,label", "1,0,0,0,5,nodule", f"1,0,0,0,5,{label}"]
    truth.write_text("\n".join(lines) + "\n")
    table = {"kind": "nodule-detection", "name": "n", "truth": str(truth)}
    call_command("import_dataset", **table, practice=True, stdout=io.StringIO(), stderr=warned)
    assert Dataset.objects.get().warnings == []  # one case of several rows: they cannot be told apart by their line


def test_a_header_that_no_reader_takes_never_reaches_simpleitk_in_the_importing_process(run, tmp_path, monkeypatch):
    """SimpleITK reads `NDims = -1` for ever, and would hold the worker that imports."""
    opened = []
    monkeypatch.setattr("submissions.datasets.suspicions.grid_of", opened.append)
    images = tmp_path / "images"
    images.mkdir()
    for number, header in enumerate((b"NDims = -1", b"NDims = 3")):
        SimpleITK.WriteImage(SimpleITK.Image(4, 4, 4, SimpleITK.sitkInt16), str(images / f"1.{number}.mha"))
        volume = images / f"1.{number}.mha"
        volume.write_bytes(volume.read_bytes().replace(b"NDims = 3", header))
    with pytest.raises(CommandError, match=r"1\.0\.mha' cannot be read"):
        run([row(0), row(1)], images=str(images))
    assert opened == []
