"""The full report: what it holds, for whom, as page, JSON and CSV."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from sklearn.metrics import confusion_matrix, roc_auc_score

from leaderboard.writing import recompute_standings
from submissions import actions
from submissions.models import Case, Phase
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase, make_staff

pytestmark = pytest.mark.django_db

N = 40
TRUTH = [number % 2 for number in range(N)]
PRACTICE = ["public"] * N
HIDDEN = ["public"] * 10 + ["private"] * 10 + ["sample"] * 20
VALUES = [round(min(max(0.5 + (0.3 if truth else -0.3) * ((-1) ** (k // 5 % 4 == 3)) + k / 400, 0), 1), 4)
          for k, truth in enumerate(TRUTH)]  # fmt: skip


@pytest.fixture
def ann(client):
    user = make_member("ann")
    client.force_login(user)
    return user


def phase_of(splits, **fields):
    dataset = make_dataset(truth=TRUTH, splits=splits)
    for case in dataset.cases.all():
        case.facts["clinical"] = {"Gender": ("Male", "Female")[case.position // 2 % 2]}
        case.facts["groups"] = {"site": ("north", "south")[case.position // 4 % 2]}
        case.save(update_fields=["facts"])
    return make_phase(dataset, **fields)


def report(client, entry, query=""):
    return client.get(f"/api/v1/submissions/{entry.pk}/report/full{query}")


@pytest.mark.slow
def test_in_practice_the_numbers_are_scikit_learns(client, ann):
    entry = evaluated(user=ann, phase=phase_of(PRACTICE, decimals=None), values=VALUES)
    found = report(client, entry).json()["details"]["public"]
    assert (found["n"], found["n_patients"]) == (N, N // 2)
    called = [value >= 0.5 for value in VALUES]
    assert found["confusion"] == {
        "classes": ["benign", "malignant"],
        "counts": confusion_matrix(TRUTH, called).tolist(),
    }
    rows = {row["group"]: row for row in found["subgroups"]}
    assert list(rows) == ["Female", "Male", "north", "south"]
    of_north = [k for k in range(N) if k // 4 % 2 == 0]
    auc = roc_auc_score([TRUTH[k] for k in of_north], [VALUES[k] for k in of_north])
    assert rows["north"]["auc"] == pytest.approx(auc)
    assert sum(row["n"] for row in found["reliability"]) == N


@pytest.mark.slow
def test_before_the_end_the_details_are_of_the_sample_cases_alone(client, ann):
    phase = phase_of(HIDDEN)
    entry = evaluated(user=ann, phase=phase, values=VALUES)
    assert set(report(client, entry).json()["details"]) == {"sample"}
    written = csv.DictReader(io.StringIO(report(client, entry, "?format=csv").content.decode()))
    csv_splits = {row["split"] for row in written if row["section"] not in ("score", "standing", "timing")}
    assert csv_splits == {"sample"}
    page = client.get(f"/submissions/{entry.pk}/report/?split=private")
    assert (page.context["split"], page.context["splits"]) == ("sample", ["sample"])
    Phase.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    assert set(report(client, entry).json()["details"]) == {"public", "private", "sample"}


@pytest.mark.slow
def test_its_organiser_sees_every_split_before_the_end(client, ann):
    phase = phase_of(HIDDEN)
    entry = evaluated(user=ann, phase=phase, values=VALUES)
    client.force_login(make_staff("organiser", phase))
    assert set(report(client, entry).json()["details"]) == {"public", "private", "sample"}


@pytest.mark.slow
def test_details_are_rounded_as_the_phase_rounds(client, ann):
    entry = evaluated(user=ann, phase=phase_of(PRACTICE, decimals=2), values=VALUES)
    row = report(client, entry).json()["details"]["public"]["thresholds"][0]
    assert row["sensitivity_ci"] == [round(end, 2) for end in row["sensitivity_ci"]]


@pytest.mark.slow
def test_a_report_says_how_the_score_changed(client, ann):
    phase = phase_of(PRACTICE, decimals=4)
    worse, better, now = (
        evaluated(user=ann, phase=phase, values=values, title=title)
        for values, title in (
            ([0.5] * N, "coin"), ([float(truth) for truth in TRUTH], "oracle"), (VALUES, "now"),
        )
    )  # fmt: skip
    recompute_standings(phase)
    standing = report(client, now).json()["standing"]
    auc = round(roc_auc_score(TRUTH, VALUES), 4)
    assert (standing["rank"], standing["n_entries"], standing["is_ranked"]) == (1, 1, False)
    assert standing["score"] == auc
    assert (standing["last"]["title"], standing["best"]["title"]) == ("oracle", "oracle")
    assert standing["best"]["change"] == pytest.approx(auc - 1)
    assert standing["best"]["is_better"] is False
    first = report(client, worse).json()["standing"]
    assert (first["last"], first["best"]["title"]) == (None, "oracle")
    assert report(client, better).json()["standing"]["is_ranked"]


@pytest.mark.slow
def test_a_score_is_compared_with_entries_of_its_own_team_alone(client, ann):
    phase = phase_of(PRACTICE)
    evaluated(user=make_member(team="Others"), phase=phase, values=[float(truth) for truth in TRUTH])
    own = evaluated(user=ann, phase=phase, values=VALUES)
    recompute_standings(phase)
    standing = report(client, own).json()["standing"]
    assert (standing["rank"], standing["last"], standing["best"]) == (2, None, None)


@pytest.mark.slow
def test_with_the_ladder_a_change_is_of_shown_scores_only(client, ann):
    phase = phase_of(HIDDEN)
    best = evaluated(user=ann, phase=phase, values=VALUES)
    evaluated(user=ann, phase=phase, values=VALUES)  # no better: no score is shown
    lesser = evaluated(user=ann, phase=phase, values=[1 - value for value in VALUES])
    recompute_standings(phase)
    standing = report(client, lesser).json()["standing"]
    assert (standing["score"], standing["last"], standing["best"]) == (None, None, None)
    assert report(client, best).json()["standing"]["best"] is None


@pytest.mark.slow
def test_a_hidden_board_tells_no_rank(client, ann):
    entry = evaluated(user=ann, phase=phase_of(PRACTICE, board_is_public=False), values=VALUES)
    assert report(client, entry).json()["standing"]["rank"] is None


@pytest.mark.slow
def test_the_csv_has_a_row_for_each_number(client, ann):
    entry = evaluated(user=ann, phase=phase_of(PRACTICE), values=VALUES)
    answer = report(client, entry, "?format=csv")
    assert answer["Content-Disposition"] == f'attachment; filename="report-{entry.pk}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row["section"] for row in rows} >= {
        "score",
        "threshold",
        "reliability",
        "confusion",
        "subgroup",
        "standing",
    }
    (auc,) = (row for row in rows if row["section"] == "score" and row["metric"] == "auc")
    assert float(auc["low"]) < float(auc["value"]) < float(auc["high"])
    assert auc["n"] == str(N)
    confusion = [int(row["value"]) for row in rows if row["section"] == "confusion"]
    assert sum(confusion) == N
    assert report(client, entry, "?format=xml").status_code == 400


@pytest.mark.slow
def test_the_page_shows_each_part_and_a_table_for_each_chart(client, ann):
    entry = evaluated(user=ann, phase=phase_of(PRACTICE), values=VALUES)
    page = client.get(f"/submissions/{entry.pk}/report/")
    text = page.content.decode()
    assert [chart.title for chart in page.context["charts"]] == ["ROC", "Precision and recall", "Reliability"]
    assert text.count("Numbers of this chart") == 3
    for part in ("Confusion", "At thresholds", "Subgroups", "Metrics"):
        assert f"<h3>{part}</h3>" in text
    reliability = page.context["charts"][2]
    assert reliability.columns[-1] == "n"
    assert sum(int(row[-1]) for row in reliability.lines[0].rows) == N


@pytest.mark.slow
def test_many_sites_are_listed_by_size(client, ann):
    phase = phase_of(PRACTICE)
    for case in Case.objects.all():
        case.facts["groups"] = {"site": f"site{min(case.position // 5, 7)}"}
        case.save(update_fields=["facts"])
    entry = evaluated(user=ann, phase=phase, values=VALUES)
    groups = client.get(f"/submissions/{entry.pk}/report/").context["subgroups"]
    assert sum(group.by == "site" for group in groups) == 6
    assert sum(row["by"] == "site" for row in report(client, entry).json()["details"]["public"]["subgroups"]) == 8


@pytest.mark.slow
def test_what_is_not_scored_has_an_empty_report(client, ann):
    entry = evaluated(user=ann, phase=phase_of(PRACTICE), values=VALUES)
    entry.evaluations.update(is_current=False, status="failed", failure_code="SYSTEM_METRIC")
    answer = report(client, entry).json()
    assert (answer["details"], answer["standing"]) == ({}, None)
    assert b"Nothing is scored yet" in client.get(f"/submissions/{entry.pk}/report/").content


@pytest.mark.slow
def test_classes_have_a_report_too(client, ann):
    dataset = make_dataset(truth=[number % 4 for number in range(N)], splits=PRACTICE, kind="slice")
    phase = make_phase(dataset)
    header = "id,adenocarcinoma,large_cell_carcinoma,squamous_cell_carcinoma,normal"
    rows = [f"case{k},{0.7 if k % 3 else 0.1},0.1,0.1,{0.1 if k % 3 else 0.7}" for k in range(N)]
    file = SimpleUploadedFile("p.csv", "\n".join([header, *rows]).encode())
    entry = actions.submit_csv(user=ann, phase=phase, file=file, received_at=timezone.now())
    actions.evaluate(evaluation_id=entry.latest.pk, worker="tests")
    page = client.get(f"/submissions/{entry.pk}/report/")
    assert page.context["confusion"]["names"][0] == "adenocarcinoma"
    assert sum(map(sum, (counts for _, counts in page.context["confusion"]["rows"]))) == N
    assert b"At thresholds" not in page.content


@pytest.mark.slow
def test_a_report_takes_few_queries(client, ann, asked):
    entry = evaluated(user=ann, phase=phase_of(HIDDEN), values=VALUES)
    for path in (f"/submissions/{entry.pk}/report/", f"/api/v1/submissions/{entry.pk}/report/full"):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        assert len(asked(queries)) <= 12
