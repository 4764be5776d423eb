"""Every metric against scikit-learn on random data with ties, and against known answers."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from submissions.kinds import KINDS
from submissions.kinds.slice import CLASS_NAMES
from submissions.scoring import CURVES, METRICS, MetricError, metrics_of, preferred_interval, score
from submissions.scoring.calibration import calibration_line
from submissions.scoring.metrics import Metric, evaluate
from submissions.scoring.metrics.classes import class_numbers
from submissions.scoring.resamples import Resamples, Sample

# A small vector with known answers: ten benign, four malignant.
SMALL_TRUTH = [0] * 10 + [1] * 4
SMALL_SCORES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.15, 0.25, 0.9, 0.85, 0.65, 0.35]


def value(name, truth, predictions):
    return METRICS[name].value(Sample(np.array(truth), np.array(predictions, dtype=float)))


def roc(truth, p):
    return sk.roc_curve(truth, p, drop_intermediate=False)[:2]


def sensitivity_at_95(truth, p):
    fpr, tpr = roc(truth, p)
    return tpr[fpr <= 1 - 0.95][-1]


def specificity_at_95(truth, p):
    fpr, tpr = roc(truth, p)
    return 1 - fpr[tpr >= 0.95][0]


def quantile_ece(truth, p):
    observed, means = calibration_curve(truth, p, n_bins=10, strategy="quantile")
    edges = np.percentile(p, np.linspace(0, 100, 11))
    sizes = np.bincount(np.searchsorted(edges[1:-1], p), minlength=10)
    return float((sizes[sizes > 0] * np.abs(observed - means)).sum() / len(p))


def cox(truth, p):
    logits = np.log(p / (1 - p))[:, None]
    return LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000).fit(logits, truth)


def called(function, **options):
    return lambda truth, p: function(truth, (p >= 0.5).astype(int), **options)


LESION_ORACLES = {
    "auc": sk.roc_auc_score,
    "sensitivity_at_95_specificity": sensitivity_at_95,
    "specificity_at_95_sensitivity": specificity_at_95,
    "average_precision": sk.average_precision_score,
    "brier": sk.brier_score_loss,
    "log_loss": lambda truth, p: sk.log_loss(truth, p),
    "ece": quantile_ece,
    "calibration_slope": lambda truth, p: cox(truth, p).coef_[0, 0],
    "calibration_intercept": lambda truth, p: cox(truth, p).intercept_[0],
    "accuracy": called(sk.accuracy_score),
    "precision": called(sk.precision_score, zero_division=0),
    "recall": called(sk.recall_score),
    "specificity": called(sk.recall_score, pos_label=0),
    "f1": called(sk.f1_score),
}

SLICE_ORACLES = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    "macro_f1": lambda y, p: sk.f1_score(y, p.argmax(1), average="macro"),
    "macro_auc_ovr": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr"),
    "log_loss": lambda y, p: sk.log_loss(y, p),
} | {
    f"f1_{name}": lambda y, p, k=k: sk.f1_score(y, p.argmax(1), labels=[k], average="macro")
    for k, name in enumerate(CLASS_NAMES)
}


def lesions(seed, n=400, decimals=2):
    """Scores with many ties: two decimals, n cases."""
    random = np.random.default_rng(seed)
    truth = (random.random(n) < 0.2).astype(int)
    truth[:2] = 0, 1
    p = np.round(np.clip(random.normal(0.3 + 0.2 * truth, 0.2), 0.01, 0.99), decimals)
    return truth, p


def slices(seed, n=120):
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(4), random.integers(0, 4, n - 4)])
    p = random.dirichlet(np.ones(4), n) + 0.4 * np.eye(4)[truth]
    return truth, p / p.sum(axis=1, keepdims=True)


def test_every_metric_has_an_oracle():
    assert set(LESION_ORACLES) == set(metrics_of("lesion")) == set(KINDS["lesion"].metrics)
    assert set(SLICE_ORACLES) == set(metrics_of("slice")) == set(KINDS["slice"].metrics)


@pytest.mark.parametrize("name", LESION_ORACLES)
@pytest.mark.parametrize(("seed", "decimals"), [(1, 2), (2, 1), (3, 6)])
def test_lesion_metrics_agree_with_scikit_learn(name, seed, decimals):
    truth, p = lesions(seed, decimals=decimals)
    p = np.clip(p, 0.01, 0.99)
    tolerance = 1e-5 if name.startswith("calibration") else 1e-12
    assert value(name, truth, p) == pytest.approx(LESION_ORACLES[name](truth, p), abs=tolerance)


@pytest.mark.parametrize("name", SLICE_ORACLES)
@pytest.mark.parametrize("seed", [1, 2])
def test_slice_metrics_agree_with_scikit_learn(name, seed):
    truth, p = slices(seed)
    assert value(name, truth, p) == pytest.approx(SLICE_ORACLES[name](truth, p), abs=1e-12)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=2, max_size=40).filter(
        lambda cases: len({label for label, _ in cases}) == 2
    )
)
@settings(max_examples=150, deadline=None)
def test_the_order_metrics_survive_any_ties(cases):
    truth = np.array([int(label) for label, _ in cases])
    p = np.array([score / 10 for _, score in cases])
    for name in (
        "auc",
        "sensitivity_at_95_specificity",
        "specificity_at_95_sensitivity",
        "average_precision",
    ):
        assert value(name, truth, p) == pytest.approx(LESION_ORACLES[name](truth, p), abs=1e-12), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("auc", 0.825), ("sensitivity_at_95_specificity", 0.5), ("specificity_at_95_sensitivity", 0.5)],
)
def test_the_small_vector_has_its_published_values(name, expected):
    assert value(name, SMALL_TRUTH, SMALL_SCORES) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auc", 0.5),
        ("sensitivity_at_95_specificity", 0.0),  # the only point within 5 % FPR is (0, 0)
        ("specificity_at_95_sensitivity", 0.0),  # the only point that reaches 95 % TPR is (1, 1)
        ("average_precision", 4 / 14),
        ("ece", abs(0.3 - 4 / 14)),
        ("calibration_slope", 0.0),
        ("calibration_intercept", np.log(4 / 10)),
        ("accuracy", 10 / 14),
        ("precision", 0.0),
        ("f1", 0.0),
    ],
)
def test_predictions_that_are_all_equal_are_scored(name, expected):
    assert value(name, SMALL_TRUTH, [0.3] * 14) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("auc", 0),
        ("auc", 1),
        ("sensitivity_at_95_specificity", 0),
        ("sensitivity_at_95_specificity", 1),
        ("average_precision", 0),
    ],
)
def test_truth_of_one_class_is_our_fault(name, label):
    with pytest.raises(MetricError) as caught:
        evaluate("lesion", Sample(np.full(5, label), np.linspace(0, 1, 5)), [name])
    assert caught.value.code == "SYSTEM_METRIC"


def test_where_all_are_malignant_every_call_is_right():
    sample = Sample(np.ones(5, dtype=int), np.linspace(0, 1, 5))
    assert evaluate("lesion", sample, ["average_precision"]) == {"average_precision": 1.0}


def test_a_perfect_entry_gets_one_and_no_calibration_slope():
    truth, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert value("auc", truth, p) == value("average_precision", truth, p) == 1.0
    assert value("calibration_slope", truth, p) is None  # separable: no finite slope fits best


def test_classes_that_meet_in_one_score_have_no_finite_slope_either():
    """Quasi-complete separation (Albert and Anderson 1984): a steeper line through the shared score fits better."""
    assert calibration_line(np.array([0, 0, 1, 1]), np.array([0.1, 0.5, 0.5, 0.9])) is None
    assert calibration_line(np.array([0, 0, 1, 1, 0]), np.array([0.1, 0.5, 0.5, 0.9, 0.6])) is not None


def test_scores_of_exactly_zero_and_one_lie_a_millionth_of_a_millionth_inside():
    truth, p = np.array([0, 1, 1, 0, 1, 0]), np.array([0.0, 0.2, 1.0, 0.4, 0.6, 0.9])
    inside = np.where(p == 0, 1e-12, np.where(p == 1, 1 - 1e-12, p))
    assert calibration_line(truth, p) == pytest.approx(calibration_line(truth, inside), rel=1e-9)
    first, second = (calibration_line(truth, np.where(p == 0, least, p)) for least in (1e-12, 1e-9))
    assert first != pytest.approx(second, rel=1e-6)


@pytest.mark.parametrize("p", [[0.1, 0.5, 0.5, 0.9], [0.9, 0.5, 0.5, 0.1], [0.1, 0.1, 0.9, 0.1]])
def test_a_line_that_does_not_exist_is_not_looked_for(p, monkeypatch):
    """The steps of a fit that never ends took ten times those of any other: by them an entry timed hidden labels."""
    monkeypatch.setattr("submissions.scoring.calibration._newton_step", None)
    assert calibration_line(np.array([0, 0, 1, 1]), np.array(p)) is None


def test_scores_of_exactly_zero_and_one_have_a_calibration_line():
    truth = np.array([0, 0, 1, 1, 0, 1])
    slope, intercept = calibration_line(truth, np.array([0.0, 0.2, 1.0, 0.4, 0.6, 0.9]))
    assert np.isfinite([slope, intercept]).all()


def test_a_class_that_never_occurs_leaves_the_macro_means_defined():
    truth, p = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0]] * 2)
    assert value("macro_f1", truth, p) == value("macro_auc_ovr", truth, p) == 1.0


@pytest.mark.parametrize("broken", [lambda y, p: float("nan"), lambda y, p: float("inf"), lambda y, p: 1 / 0])
def test_a_metric_that_breaks_is_named(broken):
    metric = Metric("mine", "Mine", True, plain=broken)
    with pytest.raises(MetricError, match="mine"):
        metric.value(Sample(np.array([0, 1]), np.array([0.2, 0.8])))


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(MetricError, match="no metric macro_f1"):
        evaluate("lesion", Sample(np.array([0, 1]), np.array([0.2, 0.8])), ["macro_f1"])


def test_the_directions_say_which_way_is_better():
    lower = {name for name, metric in METRICS.items() if metric.direction == "lower"}
    assert lower == {"brier", "log_loss", "ece"}


def test_the_handbook_names_every_metric():
    handbook = (Path(__file__).parents[3] / "docs/metrics.md").read_text()
    assert [name for name in METRICS if f"`{name}`" not in handbook] == []


@pytest.mark.slow
def test_a_plain_function_becomes_a_metric_that_ranks(monkeypatch):
    def youden(truth, p):
        return (p >= 0.5)[truth == 1].mean() - (p >= 0.5)[truth == 0].mean()

    monkeypatch.setitem(METRICS, "youden", Metric("youden", "Youden's J", True, plain=youden))
    monkeypatch.setattr(type(KINDS["lesion"]), "metrics", (*KINDS["lesion"].metrics, "youden"))
    truth, p = lesions(1, n=60)
    scores = score("lesion", truth, p, None, ranking="youden")
    assert scores["youden"] == pytest.approx(scores["recall"] + scores["specificity"] - 1)
    assert preferred_interval(scores, "youden") is not None


def test_the_metrics_that_cannot_rank_are_those_without_a_better_end():
    assert {name for name, metric in METRICS.items() if not metric.can_rank} == {
        "calibration_slope", "calibration_intercept",
    }  # fmt: skip


def test_specificity_without_negatives_is_left_out():
    assert value("specificity", [1, 1], [0.2, 0.9]) is None


def test_macro_f1_counts_a_class_that_is_called_as_often_wrongly_as_rightly():
    truth, called = [0, 1, 1, 2, 2], [0, 0, 1, 2, 2]
    predictions = np.eye(4)[called]
    assert value("macro_f1", truth, predictions) == pytest.approx(sk.f1_score(truth, called, average="macro"))


def test_the_seed_of_the_patient_bootstrap_is_0_unless_another_is_given():
    rng = np.random.default_rng(5)
    truth, predictions = rng.integers(0, 2, 80), rng.random(80)
    patients = [f"p{i // 2}" for i in range(80)]

    def interval(**options):
        return score("lesion", truth, predictions, patients, ["brier"], **options)["brier_ci"]["patient"]

    assert interval() == interval(seed=0)
    assert interval() != interval(seed=1)


def test_a_resample_without_positives_has_no_specificity_at_a_sensitivity():
    sample = Sample(np.array([0, 0, 1]), np.array([0.1, 0.6, 0.5]))
    resamples = Resamples(sample, np.array([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]]))
    found = METRICS["specificity_at_95_sensitivity"].over(resamples)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.5)


def test_only_curves_with_a_line_of_chance_have_a_diagonal():
    axes = {name: curve.chart for name, curve in CURVES.items() if curve.chart}
    assert {name for name, chart in axes.items() if chart.has_diagonal} == {"roc", "reliability"}
    assert axes["roc"].x_ticks == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def test_kinds_share_the_f1_of_a_class_unless_they_number_it_otherwise():
    ours = KINDS["slice"]
    other = SimpleNamespace(name="other", class_names=CLASS_NAMES[:2], metrics=[f"f1_{CLASS_NAMES[0]}"])
    assert class_numbers([ours, other]) == dict(zip(CLASS_NAMES, range(4), strict=True))
    other.class_names = CLASS_NAMES[1::-1]
    with pytest.raises(AssertionError, match=f"class {CLASS_NAMES[0]} is number 0 of one kind and 1 of other"):
        class_numbers([ours, other])
