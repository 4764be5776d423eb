"""Datasets and phases from the command line: LUNA25's columns as they are, faults with row and reason."""

import hashlib
import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from django.core.management import CommandError, call_command
from PIL import Image

from submissions.datasets.table import read_table, split_problems
from submissions.kinds import KINDS
from submissions.models import ApiToken, Case, Dataset, Phase

pytestmark = pytest.mark.django_db
HEADER = "PatientID,SeriesInstanceUID,CoordX,CoordY,CoordZ,LesionID,AnnotationID,label,Gender"
ROWS = [f"P{i // 2},1.2.{i // 2},{i}.5,-2,3,{i},A{i},{int(i > 4)},Male" for i in range(10)]


def write_volume(path, seed=0, spacing=(0.5, 0.5, 2.0)):
    """Write a small volume, oblique as a scanner's may be."""
    image = SimpleITK.GetImageFromArray(np.random.default_rng(seed).integers(-1000, 400, (6, 9, 8)).astype(np.int16))
    image.SetSpacing(spacing)
    image.SetOrigin((-10, 20.5, 300))
    image.SetDirection((0, -1, 0, 0.8, 0, -0.6, 0.6, 0, 0.8))
    SimpleITK.WriteImage(image, str(path), useCompression=True)
    return image


@pytest.fixture
def table(tmp_path):
    def write(rows=ROWS, header=HEADER, name="truth.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return str(path)

    return write


def run(truth, **options):
    """Import, for practice unless a test asks for another split."""
    options.setdefault("practice", not {"public_fraction", "split_column", "samples"} & set(options))
    out = io.StringIO()
    call_command("import_dataset", kind="lesion", name="d", truth=truth, stdout=out, **options)
    return out.getvalue()


def test_luna25_columns_are_read_as_they_are(table):
    run(table())
    case = Case.objects.get(public_id="A3")
    assert (case.position, case.truth, case.patient) == (3, 0, "P1")
    assert case.facts == {
        "point_xyz_mm": [3.5, -2.0, 3.0], "series": "1.2.1", "lesion": "3", "clinical": {"Gender": "Male"}
    }  # fmt: skip
    assert Dataset.objects.get().version == 1


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("id,label,CoordX,CoordY,CoordZ", "x{i},{t},1,2,3", "x0"),
        ("SeriesInstanceUID,LesionID,label,CoordX,CoordY,CoordZ", "1.2,{i},{t},1,2,3", "1.2_0"),
        ("AnnotationID,id,label,CoordX,CoordY,CoordZ", "a{i},x{i},{t},1,2,3", "a0"),
        # As pandas writes a column of whole numbers once one of them was missing.
        ("SeriesInstanceUID,LesionID,label,CoordX,CoordY,CoordZ", "1.2,{i}.0,{t},1,2,3", "1.2_0"),
        ("SeriesInstanceUID,LesionID,file,label,CoordX,CoordY,CoordZ", "1.2,,f{i}.mha,{t},1,2,3", "f0.mha"),
    ],
)
def test_the_id_is_the_first_that_is_there(table, header, row, expected):
    run(table([row.format(i=i, t=i % 2) for i in range(4)], header))
    assert Case.objects.get(position=0).public_id == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["P1,1.2,1,2,3,1,A1,0,", "P1,1.2,1,2,3,2,A1,1,"], "row 3: the id 'A1' was already given in row 2"),
        (["P1,1.2,1,2,3,1,A1,0,", "P2,1.3,1,2,3,1,A2,0,"], "one class only"),
        (["P1,1.2,one,2,3,1,A1,0,", "P1,1.2,1,2,3,2,A2,1,"], "row 2: coordx is not a number"),
        (["P1,1.2,1_0,2,3,1,A1,0,"], "row 2: coordx is not a number: '1_0'"),
        (["P1,1.2,\uff11,2,3,1,A1,0,"], "row 2: coordx is not a number"),
        (['P1,1.2,"1,5",2,3,1,A1,0,'], "row 2: coordx is not a number: '1,5'; write a point"),
        (["P1,1.2,inf,2,3,1,A1,0,"], "row 2: coordx is not finite"),
        (["P1,1.2,1,2,3,1,A1,2,"], "row 2: the label is not 0 or 1"),
        ([], "no rows"),
        (
            ["P1,1.2,1,2,3,1,A1,0,,moved", "P2,1.3,1,2,3,1,A2,1,"],
            "row 2: 10 fields where the header has 9: put texts with ",
        ),
        (["P1,1.2,1,5,2,3,1,A1,0,"], "row 2: 10 fields where the header has 9: .* write decimals with a point"),
        (["P1,1.2,1,2,3,1,A1,0,", "P2,1.3,1,2,3,1,A2"], "row 3: 7 fields where the header has 9"),
        (["", "", "P1,1.2,1,2,3,1,A1,9,"], "row 4: the label is not 0 or 1"),
        (['"P\n1",1.2,1,2,3,1,A1,0,', "P1,1.2,1,2,3,1,A2,9,"], "row 4: the label is not 0 or 1"),
    ],
)
def test_each_fault_is_named_with_its_row(table, rows, message):
    with pytest.raises(CommandError, match=message):
        run(table(rows))
    assert Dataset.objects.count() == 0


@pytest.mark.parametrize("header", ["PatientID,label,CoordX,CoordY,CoordZ", "id,CoordX,CoordY", "id,label,label"])
def test_a_missing_or_doubled_column_is_named(table, header):
    with pytest.raises(CommandError, match="header"):
        run(table(["1,2,3,4,5"], header))


def test_an_empty_id_is_named(table):
    with pytest.raises(CommandError, match="row 3: the id is empty"):
        run(table(["a,0,1,2,3", ",1,1,2,3"], "AnnotationID,label,CoordX,CoordY,CoordZ"))
    with pytest.raises(CommandError, match="row 3: the id is empty: give AnnotationID, id, SeriesInstanceUID and"):
        run(table(["1.2,1,0,1,2,3", "1.3,,1,1,2,3"], "SeriesInstanceUID,LesionID,label,CoordX,CoordY,CoordZ"))


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(CommandError, match="no column 'label'"):
        run(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("name", ["bad name/../x", "x" * 81, ""])
def test_a_name_that_no_address_can_hold_is_refused(table, name):
    with pytest.raises(CommandError, match="name"):
        call_command("import_dataset", kind="lesion", name=name, truth=table())
    assert not Dataset.objects.exists()


def test_a_table_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe\x00id")
    with pytest.raises(CommandError, match="UTF-8"):
        run(str(path))


GERMAN_EXCEL = "\ufeffAnnotationID;label;CoordX;CoordY;CoordZ;Ort\r\na;0;1,5;2;3;Köln\r\n"
FOREIGN = Path(__file__).parents[1] / "foreign_files"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (GERMAN_EXCEL.encode(), "separated by semicolons: export the file with commas"),
        (GERMAN_EXCEL.encode(), "decimal commas: write points"),
        (GERMAN_EXCEL.lstrip("\ufeff").encode("cp1252"), "Line 2 is not UTF-8. Save the file as CSV UTF-8"),
        ((FOREIGN / "excel.xlsx").read_bytes(), "The file is an Excel workbook. Save it as CSV UTF-8"),
        (b"id\tlabel\na\t0\n", "separated by tabs"),
        (b'[{"id":"a","label":0},{"id":"b","label":1}]', "The file is JSON: write it as CSV"),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_writes_instead_is_told_as_participants_are_told(tmp_path, content, sentence):
    path = tmp_path / "truth.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        run(str(path))


@pytest.mark.parametrize("missing", ["NA", "NaN", "nan", "<NA>", "#N/A", "NULL", "None", ""])
@pytest.mark.parametrize("column", ["PatientID", "near_dup_group"])
def test_what_r_and_pandas_write_for_a_missing_patient_is_none(table, missing, column):
    """A patient called NA would be one whom all cases without a patient share."""
    run(
        table(
            [f"{missing},A{i},{i % 2},1,2,{i}" for i in range(6)], f"{column},AnnotationID,label,CoordX,CoordY,CoordZ"
        )
    )
    assert set(Case.objects.values_list("patient", flat=True)) == {""}


def test_rows_and_columns_that_excel_leaves_empty_are_passed_over(table):
    """After a column or a row was cleared and not deleted."""
    rows = ["a,0,1,2,3,,", "b,1,1,2,3,,", ",,,,,,", ",,,,,,"]
    run(table(rows, "AnnotationID,label,CoordX,CoordY,CoordZ,,"))
    assert list(Case.objects.values_list("public_id", flat=True)) == ["a", "b"]


def test_a_table_with_nothing_but_a_byte_order_mark_is_empty(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf\r\n")
    with pytest.raises(CommandError, match="no column 'label'"):
        run(str(tmp_path / "t.csv"))


def test_patients_are_never_split(table):
    run(table(), public_fraction=0.5)
    splits = {}
    for case in Case.objects.all():
        splits.setdefault(case.patient, set()).add(case.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {s for found in splits.values() for s in found} == {"public", "private", "sample"}


def test_a_split_column_decides(table):
    rows = [f"{row},{'public' if i % 2 else 'private'}" for i, row in enumerate(ROWS)]
    run(table(rows, HEADER + ",where"), split_column="where")
    assert Case.objects.filter(split="private").count() == 5


@pytest.mark.slow
def test_images_are_stored_by_content_and_hashed(table, tmp_path, own_files):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(5):
        write_volume(images / f"1.2.{i}.mha", seed=i)
    run(table(), images=images)
    keys = set(Case.objects.values_list("image", flat=True))
    assert len(keys) == 5
    assert all((own_files / "datasets" / key).is_file() and "1.2." not in key for key in keys)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(5):
        write_volume(folder / f"1.2.{i}.mha", seed=i)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"DimSize = 8 9 6", b"DimSize = 8 9 0", "three whole numbers"),
        (b"ElementSpacing = 0.5", b"ElementSpacing = -.5", "ElementSpacing"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = /etc/passwd", "LOCAL"),
        (b"NDims = 3", b"NDims = 2", "cannot be read"),
    ],
)
def test_a_volume_that_no_reader_takes_is_named_and_nothing_is_stored(table, images, old, new, problem):
    path = images / "1.2.3.mha"
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(CommandError, match=f"the image '1.2.3.mha' .*{problem}"):
        run(table(), images=images)
    assert not Dataset.objects.exists()


@pytest.mark.slow
def test_a_volume_that_resampling_would_make_too_large_is_named_and_not_made(table, images):
    path = images / "1.2.3.mha"
    path.write_bytes(re.sub(rb"ElementSpacing = .*", b"ElementSpacing = 50 50 100", path.read_bytes()))
    with pytest.raises(CommandError, match=r"1\.2\.3\.mha' would hold more than 1 GiB of voxels of 0\.1 mm"):
        run(table(), images=images, resample_mm=0.1)
    assert not Dataset.objects.exists()


@pytest.mark.slow
def test_two_readers_that_place_a_volume_differently_are_named(table, images, settings):
    settings.CT_READER = "submissions.tests.datasets.faulty_readers.shifted"
    with pytest.raises(CommandError, match=r"1\.2\.0\.mha' is placed differently .* origin"):
        run(table(), images=images)


@pytest.mark.slow
def test_a_volume_that_kills_the_reader_is_named_and_the_others_are_checked(table, images, settings):
    settings.CT_READER = "submissions.tests.datasets.faulty_readers.dying"
    with pytest.raises(CommandError) as refused:
        run(table(), images=images)
    assert "'1.2.2.mha' ended the process that checks it (exit code 9)" in str(refused.value)
    assert str(refused.value).count("the image") == 1


@pytest.mark.slow
def test_a_reader_that_is_not_there_is_our_fault(table, images, settings):
    settings.CT_READER = "inference.nothing.open"
    with pytest.raises(RuntimeError, match="No module named"):
        run(table(), images=images)


@pytest.mark.slow
def test_volumes_can_be_resampled(table, images, own_files):
    whole = SimpleITK.ReadImage(str(images / "1.2.0.mha"))
    run(table(), images=images, resample_mm=1.0)
    case = Case.objects.get(public_id="A0")
    stored = own_files / "datasets" / case.image
    image = SimpleITK.ReadImage(str(stored))
    assert image.GetSpacing() == (1.0, 1.0, 1.0)
    assert image.GetSize() == (4, 5, 12)
    assert image.GetPixelIDTypeAsString() == whole.GetPixelIDTypeAsString()
    corner = [-0.5] * 3  # the outer corner of the first voxel stays where it was
    places = [each.TransformContinuousIndexToPhysicalPoint(corner) for each in (image, whole)]
    assert places[0] == pytest.approx(places[1], abs=1e-6)
    assert hashlib.sha256(stored.read_bytes()).hexdigest() in case.image


@pytest.mark.slow
@pytest.mark.parametrize("resample_mm", [None, 1.0])
def test_a_volume_may_end_in_capitals(table, images, own_files, resample_mm):
    """As a disk of a scanner or of Windows names it."""
    for path in list(images.iterdir()):
        path.rename(path.with_suffix(".MHA"))
    rows = [f"{row},1.2.{i // 2}.MHA" for i, row in enumerate(ROWS)]
    run(table(rows, f"{HEADER},file"), images=images, resample_mm=resample_mm)
    stored = own_files / "datasets" / Case.objects.get(public_id="A0").image
    assert stored.suffix == ".mha"
    assert SimpleITK.ReadImage(str(stored)).GetSize() == ((4, 5, 12) if resample_mm else (8, 9, 6))


def test_pictures_cannot_be_resampled(tmp_path, table):
    (tmp_path / "a.png").write_bytes(b"a picture, whose content nobody reads here")
    rows = [f"s{i},{name},a.png" for i, name in enumerate(["adenocarcinoma", "normal", "2", "1"])]
    options = {
        "kind": "slice",
        "name": "s",
        "truth": table(rows, "id,label,file"),
        "images": tmp_path,
        "practice": True,
    }
    with pytest.raises(CommandError, match="no spacing"):
        call_command("import_dataset", resample_mm=1.0, **options)


def test_missing_images_are_all_named_and_nothing_is_stored(table, tmp_path, own_files):
    images = tmp_path / "images"
    images.mkdir()
    with pytest.raises(CommandError, match=r"row 2: the image '1.2.0.mha' is missing"):
        run(table(), images=images)
    with pytest.raises(CommandError, match=r"is missing or empty; write / between folders"):
        run(table(["a,0,1,2,3,sub\\a.mha", "b,1,1,2,3,b.mha"], "id,label,CoordX,CoordY,CoordZ,file"), images=images)
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_an_image_is_found_however_its_letters_are_spelt(tmp_path, own_files, written, stored):
    """macOS may store ü as u and two dots, whatever the table says."""
    names = [f"prüf{number}.png" for number in range(2)]
    for name in names:
        Image.new("L", (40, 40), 9).save(tmp_path / unicodedata.normalize(stored, name))
    truth = tmp_path / "truth.csv"
    rows = [f"{unicodedata.normalize(written, name)},{number}\n" for number, name in enumerate(names)]
    truth.write_text("file,label\n" + "".join(rows), encoding="utf-8")
    given = {"kind": "slice", "name": "d", "truth": str(truth), "images": str(tmp_path), "practice": True}
    call_command("import_dataset", **given, stdout=io.StringIO())
    assert Case.objects.exclude(image="").count() == 2


def test_a_name_no_file_can_have_is_missing(table, tmp_path):
    with pytest.raises(CommandError, match="is missing or empty"):
        run(
            table([f"a{i},{i},1,2,3,{'n' * 300}.mha" for i in range(2)], "id,label,CoordX,CoordY,CoordZ,file"),
            images=tmp_path,
        )


@pytest.mark.parametrize("name", ["a.mhd", "a.nii.gz", "a"])
def test_an_image_no_container_could_be_sent_is_refused(table, tmp_path, name):
    (tmp_path / name).write_bytes(b"header")
    rows = [f"x{i},{i % 2},1,2,3,{name}" for i in range(2)]
    with pytest.raises(CommandError, match=f"row 2: the image '{name}' does not end in .mha"):
        run(table(rows, "id,label,CoordX,CoordY,CoordZ,file"), images=tmp_path)


@pytest.mark.parametrize("name", ["../secret.mha", "/etc/passwd"])
def test_an_image_outside_the_folder_is_refused(table, tmp_path, name):
    images = tmp_path / "images"
    images.mkdir()
    rows = [f"x{i},{i % 2},1,2,3,{name}" for i in range(2)]
    with pytest.raises(CommandError, match="no name of a file"):
        run(table(rows, "id,label,CoordX,CoordY,CoordZ,file"), images=images)


def test_the_hash_covers_what_a_score_depends_on(table):
    hashes = set()
    for change in ({}, {"A3": "A33"}, {"2.5": "2.6"}, {"P4": "P5"}):
        text = "\n".join(ROWS)
        for old, new in change.items():
            text = text.replace(old, new)
        run(table(text.split("\n")))
        hashes.add(Dataset.objects.order_by("-version").first().content_hash)
    assert len(hashes) == 4


def test_a_slice_table_names_classes(table):
    rows = [f"s{i},{name}" for i, name in enumerate(["adenocarcinoma", "large.cell.carcinoma", "normal", "3", "2.0"])]
    call_command(
        "import_dataset", kind="slice", name="s", truth=table(rows, "id,label"), practice=True, stdout=io.StringIO()
    )
    assert list(Case.objects.values_list("truth", flat=True)) == [0, 1, 3, 3, 2]


def test_a_phase_opens_with_its_quotas(table):
    run(table())
    call_command("open_phase", "--dataset", "d", "--slug", "s", "--title", "T", "--quota", "15/all", "--quota", "2/7d",
                 "--decimals", "full", "--closes", "2099-01-01", stdout=io.StringIO())  # fmt: skip
    phase = Phase.objects.get(slug="s")
    assert phase.decimals is None
    assert {str(quota) for quota in phase.quotas.all()} == {"15 in the whole phase", "2 every 7 days"}
    assert phase.closes_at.isoformat() == "2099-01-01T00:00:00+00:00"


@pytest.mark.parametrize("has_images", [True, False])
def test_a_phase_takes_containers_only_over_images(table, has_images):
    run(table())
    Case.objects.update(image="case.mha" if has_images else "")
    call_command("open_phase", "--dataset", "d", "--slug", "s", "--title", "T", stdout=io.StringIO())
    phase = Phase.objects.get(slug="s")
    assert (phase.accepts_csv, phase.accepts_docker) == (True, has_images)


@pytest.mark.parametrize(
    "wrong",
    [["--quota", "0/all"], ["--quota", "2/7y"], ["--decimals", "16"], ["--closes", "soon"], ["--metric", "nope"],
     ["--dataset", "missing"], ["--closes", "2001-01-01"], ["--slug", "no slug"], ["--tie-break", "calibration_slope"],
     ["--quota", "5/999999w"]],
)  # fmt: skip
def test_a_wrong_option_opens_nothing(table, wrong):
    run(table())
    options = {"--dataset": "d", "--slug": "s", "--title": "T"} | {wrong[0]: wrong[1]}
    with pytest.raises(CommandError):
        call_command("open_phase", *[word for pair in options.items() for word in pair], stdout=io.StringIO())
    assert not Phase.objects.exists()


def test_a_token_is_printed_once_and_works():
    out = io.StringIO()
    with pytest.raises(CommandError, match="--create"):
        call_command("create_token", "robot")
    call_command("create_token", "robot", "--create", stdout=out)
    from rest_framework.test import APIClient

    answer = APIClient().get("/api/v1/submissions", HTTP_AUTHORIZATION=f"Bearer {out.getvalue().strip()}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "words",
    [["bad name", "--create"], ["x" * 151, "--create"], ["", "--create"], ["robot", "--create", "--name", "y" * 81]],
)
def test_a_name_that_cannot_be_stored_makes_no_token(words):
    with pytest.raises(CommandError, match="No token was made"):
        call_command("create_token", *words)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_refused_in_words(port):
    with pytest.raises(CommandError, match="choose 1 to 65535"):
        call_command("start", f"--port={port}")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_example_of_each_kind_can_be_imported(tmp_path, kind):
    path = tmp_path / "truth.csv"
    path.write_text(kind.table_example)
    rows = read_table(path, kind)
    assert len({row.public_id for row in rows}) == len(rows) == 2
    assert split_problems(rows, ["public"] * 2, kind) == []
    named = kind.table_example.partition("\n")[0].lower().split(",")
    optional = [name for names, _ in kind.table_optional for name in names.lower().split(" or ")]
    read = {*kind.table_columns, *kind.table_id_columns, *optional, "patientid", "file", "coordx", "coordy", "coordz"}
    assert set(named) <= read
