"""The scores of one split as they are stored, and the real entry's known answers."""

import csv
import json

import numpy as np
import pytest

from submissions.scoring import METRICS, MetricError, curves, metrics_of, preferred_interval, score
from submissions.scoring.curves import MAX_POINTS
from submissions.scoring.resamples import Sample
from submissions.scoring.share_interval import interval_of_share
from submissions.scoring.uncertainty import patient_resamples, values_over
from submissions.tests.scoring.test_metrics import lesions, slices

# the README of the real data: hiera3d_all_folds_predictions.csv against the LUNA25 table.
KNOWN = {
    "auc": 0.8909196643,
    "sensitivity_at_95_specificity": 0.4738738739,
    "specificity_at_95_sensitivity": 0.5690085592,
    "average_precision": 0.4934904245,
    "accuracy": 0.8140515982,
    "precision": 0.3031312458,
    "recall": 0.8198198198,
    "f1": 0.4426070039,
}
KNOWN_INTERVAL = [0.8776601529, 0.9031964169]
KNOWN_FOLDS = {"1": 0.9146, "2": 0.8938, "3": 0.8746, "4": 0.8839, "5": 0.9240}


@pytest.fixture(scope="session")
def luna25(real_data):
    """(truth, predictions, patients, folds) in the order of the LUNA25 table."""
    with (real_data / "luna25/LUNA25_Public_Training_Development_Data.csv").open() as file:
        table = list(csv.DictReader(file))
    with (real_data / "luna25/hiera3d_all_folds_predictions.csv").open() as file:
        entry = {row["AnnotationID"]: row for row in csv.DictReader(file)}
    rows = [entry[case["AnnotationID"]] for case in table]
    truth = np.array([int(case["label"]) for case in table])
    predictions = np.array([float(row["probability"]) for row in rows])
    return truth, predictions, [case["PatientID"] for case in table], np.array([row["fold"] for row in rows])


@pytest.mark.realdata
def test_the_real_entry_gets_its_published_numbers(luna25):
    truth, predictions, patients, _ = luna25
    scores = score("lesion", truth, predictions, patients, seed=1, ranking="auc")
    assert {name: scores[name] for name in KNOWN} == pytest.approx(KNOWN, abs=1e-9)
    assert scores["auc_ci"]["luna25"] == pytest.approx(KNOWN_INTERVAL, abs=1e-9)
    assert scores["n"] == 6163
    # Lesions of one patient look alike, so the honest interval is the wider one.
    assert np.diff(scores["auc_ci"]["patient"]) > np.diff(scores["auc_ci"]["delong"])


@pytest.mark.realdata
def test_the_real_entrys_folds_get_their_published_areas(luna25):
    truth, predictions, _, folds = luna25
    for fold, expected in KNOWN_FOLDS.items():
        chosen = folds == fold
        found = score("lesion", truth[chosen], predictions[chosen], metrics=["auc"])
        assert found["auc"] == pytest.approx(expected, abs=5e-5)


@pytest.mark.slow
def test_scores_are_plain_json():
    truth, p = lesions(1, n=60)
    scores = score("lesion", truth, p, [str(i // 2) for i in range(60)], seed=3, ranking="auc")
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert set(scores["auc_ci"]) == {"newcombe", "luna25", "delong", "patient"}
    assert set(scores["brier_ci"]) == {"cases", "loss", "patient"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers():
    truth, p = lesions(1, n=60)
    patients = [str(i // 2) for i in range(60)]
    first, again, other = (score("lesion", truth, p, patients, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first["auc_ci"]["patient"] != other["auc_ci"]["patient"]
    assert first["auc_ci"]["luna25"] == other["auc_ci"]["luna25"]


def test_without_patients_there_is_no_patient_interval():
    truth, p = slices(1)
    scores = score("slice", truth, p, None, ranking="macro_f1")
    assert set(scores["macro_f1_ci"]) == {"cases", "wilson"}
    assert "auc_ci" not in scores


def test_a_share_is_worth_what_resamples_of_patients_say_of_it():
    """Three like cases a patient: resamples of single cases would take them for three times the evidence."""
    truth, p = (np.repeat(values, 3) for values in lesions(2, n=20))
    groups = np.repeat(np.arange(20), 3)
    found = score("lesion", truth, p, [str(group) for group in groups], ["accuracy"], seed=5)
    sample, metric = Sample(truth, p), METRICS["accuracy"]
    drawn = values_over(sample, [metric], patient_resamples(groups, 5))["accuracy"]
    expected = interval_of_share(found["accuracy"], [np.ones(60)], drawn, groups)
    assert found["accuracy_ci"]["wilson"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("intervals", "drawn"),
    [
        ({"luna25": [1, 2], "delong": [3, 4], "patient": [5, 6], "logit": [7, 8]}, (7, 8)),
        ({"luna25": [1, 2], "newcombe": [7, 8], "patient": [5, 6]}, (7, 8)),
        ({"cases": [1, 2], "patient": [5, 6], "wilson": [7, 8]}, (7, 8)),
        ({"cases": [1, 2], "exact": [7, 8]}, (7, 8)),
        ({"cases": [1, 2], "patient": [5, 6], "quantile": [7, 8]}, (7, 8)),
        ({"cases": [1, 2], "patient": [5, 6], "loss": [7, 8]}, (7, 8)),
        ({"luna25": [1, 2], "delong": [3, 4], "patient": [5, 6]}, (5, 6)),
        ({"luna25": [1, 2], "delong": [3, 4]}, (1, 2)),
        ({"cases": [1, 2]}, (1, 2)),
        ({}, None),
    ],
)
def test_the_honest_interval_is_the_one_drawn(intervals, drawn):
    assert preferred_interval({"auc": 0.5, "auc_ci": intervals}, "auc") == drawn


BORDER = [
    ("lesion", [0, 1], [0.2, 0.8]),
    ("lesion", [0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0]),
    ("lesion", [0, 0, 1, 1], [1.0, 1.0, 0.0, 0.0]),
    ("lesion", [0] * 90 + [1] * 3, [0.1] * 90 + [0.9] * 3),
    ("slice", [0, 1, 2, 3] * 5, np.eye(4)[[0, 1, 2, 3] * 5]),
    ("slice", [0, 1, 2, 3] * 5, np.eye(4)[[1, 2, 3, 0] * 5]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "truth", "predictions"), BORDER)
@pytest.mark.parametrize("lesions_a_patient", [None, 1, 2])
def test_a_metric_at_its_border_has_an_interval_with_a_width(kind, truth, predictions, lesions_a_patient):
    patients = lesions_a_patient and [str(i // lesions_a_patient) for i in range(len(truth))]
    scores = score(kind, truth, np.asarray(predictions), patients, seed=1)
    at_border = [name for name in metrics_of(kind) if scores.get(name) in (0.0, 1.0) and f"{name}_ci" in scores]
    assert len(at_border) >= 5
    for name in at_border:
        low, high = preferred_interval(scores, name)
        assert 0 <= low <= scores[name] <= high
        assert high - low > 0.01, name
        assert all(b > a for way, (a, b) in scores[f"{name}_ci"].items() if way != "luna25"), name


def test_luna25s_own_interval_of_a_perfect_entry_stays_as_it_is():
    scores = score("lesion", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], ranking="auc")
    assert scores["auc_ci"]["luna25"] == [1.0, 1.0]
    assert preferred_interval(scores, "auc")[0] < 0.5


@pytest.mark.parametrize(
    ("truth", "is_small"),
    [([0] * 10 + [1] * 10, None), ([0] * 10 + [1] * 9, True), ([0] * 9 + [1] * 10, True), ([0] * 40 + [1], True)],
)
def test_a_split_with_under_ten_of_a_class_is_marked(truth, is_small):
    assert score("lesion", truth, np.linspace(0, 1, len(truth))).get("is_small") is is_small


@pytest.mark.slow
def test_a_split_without_one_of_the_four_classes_is_small():
    truth = [0, 1, 2] * 20
    assert score("slice", truth, np.eye(4)[truth])["is_small"] is True
    truth = [0, 1, 2, 3] * 10
    assert "is_small" not in score("slice", truth, np.eye(4)[truth])


def test_a_number_without_interval_is_drawn_without():
    assert preferred_interval({"ece": 0.1}, "ece") is None


@pytest.mark.parametrize(
    ("truth", "predictions"),
    [([], []), ([0, 1], [0.5]), ([0, 1], [0.5, np.nan]), ([0, 0], [0.1, 0.2]), ([1, 1], [0.1, 0.2])],
)
def test_what_should_never_have_come_this_far_is_a_metric_error(truth, predictions):
    with pytest.raises(MetricError):
        score("lesion", truth, predictions, ranking="auc")


@pytest.mark.parametrize(
    ("truth", "predictions", "reason"),
    [([], [], "0 predictions for 0 cases"), ([0, 1], [0.5], "1 predictions for 2 cases"),
     ([0, 1], [0.1, 0.5, 0.9], "3 predictions for 2 cases"), ([0, 1], [0.5, np.inf], "not finite")],
)  # fmt: skip
def test_predictions_that_do_not_fit_the_cases_are_counted(truth, predictions, reason):
    with pytest.raises(MetricError, match=reason):
        score("lesion", truth, predictions, metrics=["brier"])


def test_the_metric_that_ranks_must_be_defined():
    with pytest.raises(MetricError, match="undefined"):
        score("lesion", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], ranking="calibration_slope")


def test_curves_are_bounded_and_run_from_end_to_end():
    truth, p = lesions(1, n=5000, decimals=9)
    drawn = curves("lesion", truth, p)
    assert drawn["roc"][0] == [0.0, 0.0]
    assert drawn["roc"][-1] == [1.0, 1.0]
    assert max(len(drawn["roc"]), len(drawn["pr"])) <= MAX_POINTS
    assert all(0 <= number <= 1 for points in drawn.values() for point in points for number in point)
    assert len(drawn["reliability"]) == 10


@pytest.mark.slow
def test_the_area_under_the_drawn_curve_is_the_auc():
    truth, p = lesions(1, n=5000, decimals=9)
    x, y = np.array(curves("lesion", truth, p)["roc"]).T
    assert np.trapezoid(y, x) == pytest.approx(score("lesion", truth, p, metrics=["auc"])["auc"], abs=5e-3)


# T29: each case with a score of its own, so that a point a case would list the labels.
@pytest.mark.parametrize("n", [10, 48, 200])
def test_a_curve_over_few_cases_has_far_fewer_points_than_cases(n):
    truth, p = np.arange(n) % 3 == 0, np.linspace(0.01, 0.99, n)
    drawn = curves("lesion", truth, p)
    assert all(2 <= len(points) <= n // 5 for points in drawn.values())
    assert drawn["roc"][0] == [0.0, 0.0]
    assert drawn["roc"][-1] == [1.0, 1.0]


def test_where_the_truth_is_public_a_curve_over_few_cases_encloses_the_auc():
    truth, p = np.arange(20) % 3 == 0, np.linspace(0.99, 0.01, 20) ** np.where(np.arange(20) % 2, 1, 3)
    x, y = np.array(curves("lesion", truth, p, truth_is_public=True)["roc"]).T
    assert np.trapezoid(y, x) == pytest.approx(score("lesion", truth, p, metrics=["auc"])["auc"], abs=2e-3)


def test_curves_of_equal_scores_are_a_straight_line():
    drawn = curves("lesion", [0, 1, 0, 1], [0.5] * 4)
    assert drawn["roc"] == [[0.0, 0.0], [1.0, 1.0]]
    assert drawn["reliability"] == [[0.5, 0.5]]


def test_without_malignant_cases_there_is_no_precision():
    drawn = curves("lesion", [0] * 10, [0.1, 0.2] * 5)
    assert (drawn["roc"], drawn["pr"]) == ([], [])


def test_without_benign_cases_every_call_is_right():
    drawn = curves("lesion", [1] * 10, [0.1, 0.2] * 5)
    assert (drawn["roc"], drawn["pr"]) == ([], [[0.5, 1.0], [1.0, 1.0]])


def test_one_class_has_no_roc():
    assert curves("lesion", [0, 0], [0.1, 0.2])["roc"] == []


def test_slices_have_a_curve_a_class_and_a_confusion_table():
    truth, p = slices(2)
    drawn = curves("slice", truth, p)
    assert list(drawn["roc"]) == drawn["classes"]
    assert np.sum(drawn["confusion"], axis=1) == pytest.approx(np.ones(4), abs=2e-3)
