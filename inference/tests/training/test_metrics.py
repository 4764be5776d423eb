"""Figures of the model cards against known answers."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from inference.training.cards import table, write_card
from inference.training.metrics import (
    Estimate,
    Platt,
    accuracy,
    auc,
    brier,
    calibration_line,
    confusion,
    cross_fitted,
    estimate_by_group,
    fit_platt,
    log_loss,
    macro_f1,
)

# A small vector with known answers: AUC 0.825.
LABEL = np.array([0] * 10 + [1] * 4)
SCORE = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.15, 0.25, 0.9, 0.85, 0.65, 0.35])
FOUR = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.2, 0.6]])


def sample(count: int = 4000, slope: float = 1.0):
    """Return (label, logit) where the true logit is `slope` times the one given."""
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, count)
    return (rng.random(count) < 1 / (1 + np.exp(-slope * logit))).astype(int), logit


def test_auc_of_the_known_vector():
    assert auc(LABEL, SCORE) == pytest.approx(0.825)


def test_auc_counts_ties_half_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    label, score = rng.integers(0, 2, 200), rng.integers(0, 6, 200).astype(float)
    assert auc(label, score) == pytest.approx(roc_auc_score(label, score))


def test_auc_of_one_class_is_refused():
    with pytest.raises(ValueError, match="one class"):
        auc(np.ones(3, dtype=int), np.arange(3.0))


def test_scores_equal_scikit_learns():
    assert brier(LABEL, SCORE) == pytest.approx(brier_score_loss(LABEL, SCORE))
    assert log_loss(np.arange(4), FOUR) == pytest.approx(sklearn_log_loss(np.arange(4), FOUR))


def test_macro_f1_equals_scikit_learns():
    rng = np.random.default_rng(0)
    label, probability = rng.integers(0, 4, 100), rng.random((100, 4))
    assert macro_f1(label, probability) == pytest.approx(f1_score(label, probability.argmax(axis=1), average="macro"))


def test_classes_are_counted_by_the_largest_probability():
    label = np.array([0, 1, 2, 3])
    assert accuracy(label, FOUR) == 0.75
    assert macro_f1(label, FOUR) == pytest.approx((2 / 3 + 1 + 0 + 1) / 4)
    assert confusion(label, FOUR).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


def test_macro_f1_leaves_out_a_class_that_neither_occurs_nor_is_called():
    label = np.array([0, 1, 1])
    probability = np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.6, 0.4, 0, 0]])
    assert macro_f1(label, probability) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_confusion_keeps_a_row_for_every_class():
    assert confusion(np.array([1]), FOUR[:1]).tolist() == [[0] * 4, [1, 0, 0, 0], [0] * 4, [0] * 4]


def test_log_loss_of_a_class_held_for_impossible_is_that_of_the_smallest_double():
    assert log_loss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(np.finfo(float).eps))


def test_platt_is_not_penalised():
    """At the maximum of the likelihood the residuals are orthogonal to 1 and to the logit."""
    label, logit = sample(200)
    residual = fit_platt(label, logit / 1000).probability(logit / 1000) - label
    assert residual.sum() == pytest.approx(0, abs=1e-6)
    assert residual @ logit == pytest.approx(0, abs=1e-6)


def test_platt_of_one_class_is_refused():
    with pytest.raises(ValueError, match="class"):
        fit_platt(np.ones(3, dtype=int), np.arange(3.0))


def test_a_calibration_line_moves_only_certainties():
    label = np.array([0, 1, 0, 1, 1, 0])
    probability = np.array([1e-9, 1e-9, 0.3, 0.6, 1 - 1e-9, 1 - 1e-9])
    logit = np.log(probability / (1 - probability))
    line, by_hand = calibration_line(label, probability), fit_platt(label, logit)
    assert (line.slope, line.intercept) == pytest.approx((by_hand.slope, by_hand.intercept), rel=1e-6)
    assert np.isfinite(calibration_line(label, np.array([0.0, 1.0, 0.5, 0.5, 1.0, 1.0])).slope)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_platt_finds_the_line_that_made_the_labels(slope):
    found = fit_platt(*sample(slope=slope))
    assert found.slope == pytest.approx(slope, rel=0.1)
    assert found.intercept == pytest.approx(0, abs=0.12)


def test_platt_turns_a_logit_into_a_probability():
    assert Platt(2.0, -1.0).probability(np.array([0.5]))[0] == pytest.approx(0.5)


def test_cross_fitting_never_uses_the_fold_it_answers():
    label, logit = sample(400)
    fold = np.arange(400) % 2
    changed = label.copy()
    changed[fold == 0] = 1 - changed[fold == 0]
    answers, after = (cross_fitted(item, logit, fold) for item in (label, changed))
    assert np.allclose(answers[fold == 0], after[fold == 0])


def test_calibrated_probabilities_have_slope_one():
    label, logit = sample()
    line = calibration_line(label, 1 / (1 + np.exp(-logit)))
    assert line.slope == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_interval_holds_the_value_and_widens_when_patients_have_more_rows():
    rng = np.random.default_rng(0)
    patient_effect = rng.normal(size=40).repeat(10)
    by_row = estimate_by_group(lambda rows: float(patient_effect[rows].mean()), np.arange(400).astype(str))
    by_patient = estimate_by_group(
        lambda rows: float(patient_effect[rows].mean()), np.arange(40).repeat(10).astype(str)
    )
    assert by_row.low < by_row.value < by_row.high
    assert by_patient.high - by_patient.low > 2 * (by_row.high - by_row.low)


@pytest.mark.slow
def test_resamples_without_an_answer_are_skipped():
    label = np.array([1, 0, 0, 0, 0])
    found = estimate_by_group(lambda rows: auc(label[rows], np.arange(5.0)[rows]), np.arange(5).astype(str))
    assert np.isfinite([found.low, found.high]).all()


def test_an_estimate_reads_as_value_and_interval():
    assert str(Estimate(0.9307, 0.91, 0.95)) == "0.931 (0.910 to 0.950)"


def test_a_card_opens_with_its_warning(tmp_path):
    write_card(tmp_path / "x.md", "Title", {"Data": table(("a", "b"), [(1, 2)])})
    text = (tmp_path / "x.md").read_text()
    assert text.startswith("# Title\n\n**Not for clinical use.**")
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |" in text
