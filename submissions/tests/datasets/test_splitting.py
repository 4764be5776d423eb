"""The split: drawn under a secret key, by patient, with sample cases that show every class."""

import hashlib
import io
from collections import Counter

import pytest
from django.core.management import CommandError, call_command

from submissions.datasets.splitting import draw_splits, n_samples
from submissions.datasets.table import DatasetError, TruthRow
from submissions.keyed import keyed_order, new_secret
from submissions.kinds import KINDS, CaseContent
from submissions.models import Case, Dataset, Split

LESION = KINDS["lesion"]


def rows_of(n, every=11, cases_a_patient=2, image=""):
    return [
        TruthRow(
            i + 2,
            f"A{i}",
            CaseContent(int(i % every == 0)),
            image.format(i // 3),
            f"P{i // cases_a_patient}" if cases_a_patient else "",
            "public",
        )
        for i in range(n)
    ]


def split(rows, key=None, public_fraction=0.3, samples=None):
    return draw_splits(rows, LESION, key or new_secret(), public_fraction=public_fraction, samples=samples)


def test_the_parts_are_whole_patients_and_each_has_every_class():
    rows = rows_of(400)
    splits = split(rows)
    counts = Counter(splits)
    assert 20 <= counts["sample"] < 30
    assert counts["public"] == pytest.approx(0.3 * (400 - counts["sample"]), abs=2)
    assert {(s, row.truth) for s, row in zip(splits, rows, strict=True)} == {
        (s, label) for s in Split.values for label in (0, 1)
    }
    of_patient = {}
    for row, s in zip(rows, splits, strict=True):
        of_patient.setdefault(row.patient, set()).add(s)
    assert all(len(found) == 1 for found in of_patient.values())


def test_another_key_gives_another_split_and_the_same_key_the_same():
    rows, key = rows_of(400), new_secret()
    assert split(rows, key) == split(rows, key)
    assert len({tuple(split(rows)) for _ in range(5)}) == 5


@pytest.mark.slow
def test_the_hash_of_the_patient_no_longer_tells_the_part():
    """The earlier rule: the first patients by their sha256 were public. 30 % of 700 are public by chance."""
    rows = rows_of(700, cases_a_patient=1)
    hits = 0
    for _ in range(20):
        splits = split(rows, samples=0)
        ordered = sorted(range(700), key=lambda i: hashlib.sha256(rows[i].patient.encode()).digest())
        hits += sum(splits[i] == "public" for i in ordered[:210])
    assert hits / (20 * 210) == pytest.approx(0.3, abs=0.035)


def test_cases_without_a_patient_stay_together_by_image():
    rows = rows_of(90, every=4, cases_a_patient=0, image="{}.mha")
    splits = split(rows)
    by_image = {}
    for row, s in zip(rows, splits, strict=True):
        by_image.setdefault(row.image, set()).add(s)
    assert all(len(found) == 1 for found in by_image.values())


@pytest.mark.parametrize(
    ("n", "asked", "number"), [(1000, None, 20), (80, None, 20), (40, None, 10), (3, None, 1), (40, 15, 15), (40, 0, 0)]
)
def test_of_few_cases_a_quarter_is_set_aside(n, asked, number):
    assert n_samples(n, asked) == number


@pytest.mark.parametrize("rows", [rows_of(6, every=6), rows_of(12, every=6, cases_a_patient=6), rows_of(40, every=20)])
def test_too_few_cases_are_told_in_a_sentence(rows):
    with pytest.raises(DatasetError, match=r"too few to split by patient.*--samples .*--practice"):
        split(rows)


def test_without_samples_the_fewest_cases_can_be_split():
    assert Counter(split(rows_of(4, every=2, cases_a_patient=1), samples=0, public_fraction=0.5))["sample"] == 0


# The command


@pytest.fixture
def table(tmp_path):
    def write(n=200, column=None):
        lines = ["PatientID,CoordX,CoordY,CoordZ,AnnotationID,label" + (",part" if column else "")]
        lines += [f"P{i // 2},{i}.5,-2,3,A{i},{int(i % 7 < 2)}" + (f",{column(i)}" if column else "") for i in range(n)]
        path = tmp_path / "truth.csv"
        path.write_text("\n".join(lines))
        return str(path)

    return write


def run(truth, **options):
    out = io.StringIO()
    call_command("import_dataset", kind="lesion", name="d", truth=truth, stdout=out, stderr=out, **options)
    return out.getvalue(), Counter(
        Case.objects.filter(dataset__version=Dataset.objects.count()).values_list("split", flat=True)
    )


@pytest.mark.django_db
class TestImport:
    def test_keeps_a_private_part_and_samples_unless_told_otherwise(self, table):
        said, counts = run(table())
        assert 20 <= counts["sample"] <= 24
        assert counts["public"] == pytest.approx(0.3 * (200 - counts["sample"]), abs=2)
        assert f"{counts['private']} private" in said
        assert not Dataset.objects.get().is_practice

    def test_for_practice_everything_is_public(self, table):
        _, counts = run(table(), practice=True)
        assert counts == {"public": 200}
        assert Dataset.objects.get().is_practice

    def test_practice_with_samples_is_refused(self, table):
        with pytest.raises(CommandError, match="leave --samples out"):
            run(table(), practice=True, samples=5)

    def test_samples_are_taken_from_the_public_part_of_a_column_that_names_none(self, table):
        _, counts = run(table(column=lambda i: "public" if i // 2 % 2 else "private"), split_column="part")
        assert counts["private"] == 100
        assert counts["sample"] + counts["public"] == 100
        assert counts["sample"] >= 20

    def test_samples_that_a_column_names_are_kept(self, table):
        _, counts = run(table(column=lambda i: ("sample", "private", "public")[i // 14 % 3]), split_column="part")
        assert counts["sample"] == 70

    @pytest.mark.slow
    def test_without_whole_public_patients_it_warns(self, table):
        said, counts = run(table(column=lambda i: "public" if i % 2 else "private"), split_column="part")
        assert counts["sample"] == 0
        assert "warning: No sample cases" in said


def test_the_order_handed_out_depends_on_the_key_alone():
    ids = [f"A{i}" for i in range(50)]
    key = new_secret()
    assert keyed_order(key, "order", ids) == keyed_order(key, "order", reversed(ids))
    assert keyed_order(key, "order", ids) not in (ids, keyed_order(new_secret(), "order", ids))
