"""The details of a report against scikit-learn, and what they leave out where cases are few."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)

from submissions.scoring.delong import auc_interval
from submissions.scoring.details import details
from submissions.scoring.details.bands import precisions_at
from submissions.scoring.details.counts import thresholds_of
from submissions.scoring.resamples import Sample
from submissions.scoring.share_interval import wilson_interval

N = 120
RANDOM = np.random.default_rng(7)
TRUTH = RANDOM.integers(0, 2, N)
P = np.round(np.clip(RANDOM.normal(0.4 + 0.2 * TRUTH, 0.2), 0, 1), 2)  # two decimals: many ties
PATIENTS = [f"p{number // 2}" for number in range(N)]
GROUPS = [
    {"sex": ("Male", "Female")[number % 2], "age": ("70 and over", "under 50", "60–69")[number % 3], "site": "one"}
    for number in range(N)
]


@pytest.fixture(scope="module")
def found():
    return details("lesion", TRUTH, P, PATIENTS, GROUPS, seed=3)


@pytest.mark.slow
def test_the_threshold_table_counts_as_scikit_learn_does(found):
    assert [row["threshold"] for row in found["thresholds"]] == [number / 10 for number in range(1, 10)]
    for row in found["thresholds"]:
        called = row["threshold"] <= P
        tn, fp, fn, tp = confusion_matrix(TRUTH, called).ravel()
        assert (row["tn"], row["fp"], row["fn"], row["tp"]) == (tn, fp, fn, tp)
        assert row["sensitivity"] == pytest.approx(recall_score(TRUTH, called))
        assert row["specificity"] == pytest.approx(recall_score(TRUTH, called, pos_label=0))
        low, high = row["sensitivity_ci"]
        assert low <= row["sensitivity"] <= high
        if called.any():
            assert row["ppv"] == pytest.approx(precision_score(TRUTH, called))
    assert found["confusion"]["counts"] == confusion_matrix(TRUTH, P >= 0.5).tolist()


@pytest.mark.parametrize(("name", "label"), [("sensitivity", 1), ("specificity", 0)])
def test_a_share_of_the_threshold_table_is_worth_as_many_cases_as_patients(found, name, label):
    n_patients = len({PATIENTS[number] for number in np.flatnonzero(label == TRUTH)})
    assert n_patients < (label == TRUTH).sum()
    for row in found["thresholds"]:
        assert row[f"{name}_ci"] == pytest.approx(wilson_interval(row[name], n_patients))


@pytest.mark.slow
def test_the_bins_of_the_reliability_diagram_are_scikit_learns_and_hold_every_case(found):
    observed, means = calibration_curve(TRUTH, P, n_bins=10, strategy="quantile")
    rows = found["reliability"]
    assert [row["mean"] for row in rows] == pytest.approx(means)
    assert [row["observed"] for row in rows] == pytest.approx(observed)
    assert sum(row["n"] for row in rows) == N
    assert all(row["observed_ci"][0] <= row["observed"] <= row["observed_ci"][1] for row in rows)


def test_the_precision_at_a_recall_is_scikit_learns():
    recalls = np.linspace(0.1, 1, 10)
    precisions, at_recalls, _ = precision_recall_curve(TRUTH, P)
    # scikit-learn's recall falls; the highest threshold that reaches a recall is the last one that does.
    wanted = [precisions[np.flatnonzero(at_recalls >= recall - 1e-9)[-1]] for recall in recalls]
    assert precisions_at(Sample(TRUTH, P), np.ones((1, N)), recalls)[0] == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["roc_band", "pr_band"])
def test_a_band_lies_around_its_curve_and_has_a_width(found, name):
    band = np.array(found[name])
    assert len(band) > 10
    assert ((band[:, 1] >= 0) & (band[:, 1] <= band[:, 2]) & (band[:, 2] <= 1)).all()
    if name == "pr_band":
        values = precisions_at(Sample(TRUTH, P), np.ones((1, N)), band[:, 0])[0]
        assert (band[:, 1] <= values + 1e-3).all()
        assert (values <= band[:, 2] + 1e-3).all()
        assert (band[:, 2] - band[:, 1]).min() > 0.01


def test_a_subgroup_has_the_scores_of_its_cases(found):
    rows = {(row["by"], row["group"]): row for row in found["subgroups"]}
    # One site alone parts nothing; the bands of age come in their order.
    assert list(rows) == [
        ("sex", "Female"), ("sex", "Male"), ("age", "under 50"), ("age", "60–69"), ("age", "70 and over"),
    ]  # fmt: skip
    for (by, group), row in rows.items():
        chosen = np.array([of_case[by] == group for of_case in GROUPS])
        assert (row["n"], row["n_positive"]) == (chosen.sum(), TRUTH[chosen].sum())
        assert row["auc"] == pytest.approx(roc_auc_score(TRUTH[chosen], P[chosen]))
        assert row["recall"] == pytest.approx(recall_score(TRUTH[chosen], P[chosen] >= 0.5))
        assert row["specificity"] == pytest.approx(recall_score(TRUTH[chosen], P[chosen] >= 0.5, pos_label=0))
        assert row["auc_ci"][0] < row["auc"] < row["auc_ci"][1]


def test_a_subgroup_of_under_five_cases_tells_its_number_alone_and_one_class_has_no_auc():
    groups = [{"site": "tiny"}] * 4 + [{"site": "healthy"}] * 6 + [{}] * 10
    truth = [0, 1, 0, 1] + [0] * 6 + [0, 1] * 5
    rows = {
        row["group"]: row
        for row in details("lesion", truth, np.linspace(0.1, 0.9, 20), None, groups, seed=1)["subgroups"]
    }
    assert rows["tiny"] == {"by": "site", "group": "tiny", "n": 4}
    assert {"auc", "recall"} & set(rows["healthy"]) == set()
    assert rows["healthy"]["specificity_ci"]
    assert rows["healthy"]["is_small"]
    assert "auc" in rows["not given"]


def test_a_subgroup_of_five_cases_has_scores_of_its_own_patients():
    """A perfect entry: its AUC is worth one case of a class for each patient, of whom the five cases have two."""
    groups = [{"site": "rest"}] * 15 + [{"site": "five"}] * 5
    truth = np.array([0, 1, 1] * 5 + [0, 1, 0, 1, 0])
    patients = [f"p{number}" for number in range(15)] + ["a", "a", "a", "b", "b"]
    found = details("lesion", truth, 0.1 + 0.8 * truth, patients, groups, seed=1)
    row = next(row for row in found["subgroups"] if row["group"] == "five")
    _, ends = auc_interval(Sample(truth[15:], 0.1 + 0.8 * truth[15:]), np.array([0, 0, 0, 1, 1]))
    assert (row["n"], row["n_positive"], row["auc"]) == (5, 2, 1.0)
    assert row["auc_ci"] == pytest.approx(ends)


@pytest.mark.slow
def test_classes_have_a_confusion_matrix_and_subgroups():
    truth = RANDOM.integers(0, 4, N)
    p = RANDOM.dirichlet(np.ones(4), N)
    found = details("slice", truth, p, None, GROUPS, seed=1)
    assert found["confusion"]["counts"] == confusion_matrix(truth, p.argmax(axis=1)).tolist()
    assert len(found["confusion"]["classes"]) == 4
    row = found["subgroups"][0]
    chosen = np.array([of_case["sex"] == row["group"] for of_case in GROUPS])
    assert row["accuracy"] == pytest.approx(accuracy_score(truth[chosen], p[chosen].argmax(axis=1)))
    assert row["macro_f1"] == pytest.approx(f1_score(truth[chosen], p[chosen].argmax(axis=1), average="macro"))
    assert "thresholds" not in found


@pytest.mark.parametrize(("n", "count"), [(3, 1), (14, 1), (15, 3), (44, 3), (45, 9), (1000, 9)])
def test_there_is_never_more_than_one_threshold_for_five_cases(n, count):
    assert len(thresholds_of(n)) == count
    assert 0.5 in thresholds_of(n)
    assert len(thresholds_of(n, truth_is_public=True)) == 9


def test_one_class_alone_has_counts_and_no_bands():
    found = details("lesion", [0] * 20, np.linspace(0, 1, 20), None, [{}] * 20, seed=1)
    assert (found["roc_band"], found["pr_band"], found["subgroups"]) == ([], [], [])
    assert found["thresholds"][0]["sensitivity"] is None
    assert found["thresholds"][0]["specificity_ci"]


def test_findings_have_no_thresholds():
    truth = np.empty(2, dtype=object)
    truth[:] = [{"nodules": [[0, 0, 0, 5]], "irrelevant": []}, {"nodules": [], "irrelevant": []}]
    predictions = np.empty(2, dtype=object)
    predictions[:] = [np.zeros((1, 4)), np.zeros((0, 4))]
    assert details("nodule-detection", truth, predictions, ["a", "b"], [{}, {}], seed=1) == {"n": 2, "n_patients": 2}
