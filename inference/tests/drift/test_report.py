"""The drift report in the terminal and on its page."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from inference.drift import file as drift_file
from inference.models import DriftRow

pytestmark = pytest.mark.django_db
CLASSES = ("normal", "adenocarcinoma")


def values(number: int, shift: float = 0.0) -> list[object]:
    x = (number * 37 % 101) + shift
    return [
        "2026-01-01T00:00:00+00:00",
        x,
        x / 2,
        0,
        255,
        0,
        x,
        254,
        48,
        64,
        3,
        CLASSES[number % 2],
        0.5 + x / 1000,
        "",
    ]


@pytest.fixture
def reference(settings, tmp_path):
    settings.DRIFT_REFERENCE_PATH = tmp_path / "reference.csv"
    for number in range(120):
        drift_file.append(settings.DRIFT_REFERENCE_PATH, values(number))
    return settings.DRIFT_REFERENCE_PATH


def fill_table(rows: int, shift: float = 0.0) -> None:
    for number in range(rows):
        DriftRow.objects.create(**dict(zip(drift_file.COLUMNS, values(number, shift), strict=True)))


def report(**options) -> str:
    out = io.StringIO()
    call_command("report_drift", stdout=out, **options)
    return out.getvalue()


def test_says_that_nothing_drifted(reference):
    fill_table(60)
    assert "0% of the columns have drifted." in report()


def test_says_which_columns_drifted_and_can_fail(reference):
    fill_table(60, shift=80)
    text = report()
    assert [line.split()[0] for line in text.splitlines() if line.endswith("drifted")] == [
        "mean",
        "std",
        "p50",
        "pred_conf",
    ]
    with pytest.raises(CommandError, match="36%"):
        report(fail_above=0.2)


def test_reads_another_file_and_answers_json(reference, tmp_path):
    for number in range(30):
        drift_file.append(tmp_path / "mine.csv", values(number))
    facts = json.loads(report(current=tmp_path / "mine.csv", json=True))
    assert (facts["current_rows"], facts["reference_rows"], facts["share_drifted"]) == (30, 120, 0.0)
    assert [column["column"] for column in facts["columns"]][-1] == "pred_class"


def test_says_when_there_is_nothing_or_too_little(reference):
    assert "Nothing to compare" in report()
    fill_table(5)
    assert "Too few rows" in report()


def test_names_a_file_it_cannot_read(settings, tmp_path):
    settings.DRIFT_REFERENCE_PATH = tmp_path / "absent.csv"
    with pytest.raises(CommandError, match=r"absent\.csv cannot be read"):
        report(reference=tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("rows", "shift", "sentence"),
    [(60, 0, "No column has drifted"), (60, 80, "36 % of the columns"), (5, 0, "too few pictures")],
)
def test_the_page_says_the_same(client, staff, reference, rows, shift, sentence):
    fill_table(rows, shift)
    client.force_login(staff)
    page = client.get("/drift?rows=100").content.decode()
    assert sentence in page
    assert page.count("<figure") == 11
    assert page.count('text-anchor="end"') == 10  # a range of numbers
    assert '"middle">normal<' in page  # a class


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "abc", "", "99999999999999999999"])
def test_the_page_takes_only_its_own_windows(client, staff, reference, text):
    client.force_login(staff)
    assert client.get("/drift", {"rows": text}).context["rows"] == 500


def test_the_page_does_without_a_reference(client, staff, settings, tmp_path):
    settings.DRIFT_REFERENCE_PATH = tmp_path / "absent.csv"
    fill_table(3)
    client.force_login(staff)
    assert "DRIFT_REFERENCE_PATH" in client.get("/drift").content.decode()
