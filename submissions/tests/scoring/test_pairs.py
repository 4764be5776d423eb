"""Comparing every two entries of a board against one pair at a time, statsmodels, and boards worked by hand."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from submissions.scoring import METRICS, pairs
from submissions.scoring.delong import delong_difference
from submissions.scoring.pairs import all_pairs, holm, rank_intervals
from submissions.scoring.resamples import Sample
from submissions.scoring.roc_band import roc_band
from submissions.scoring.uncertainty import bootstrap_differences, patient_resamples, values_over
from submissions.tests.scoring.test_metrics import lesions


def entries(spreads, n=400, seed=1):
    """Samples of entries that are worse the more they spread, on the same cases, and the patients of the cases."""
    random = np.random.default_rng(seed)
    truth = (random.random(n) < 0.3).astype(int)
    noise = random.normal(0, 1, n)
    predictions = [1 / (1 + np.exp(-(2 * truth + noise + random.normal(0, spread, n)))) for spread in spreads]
    return [Sample(truth, p) for p in predictions], np.arange(n) // 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_holms_correction_is_statsmodels(seed):
    random = np.random.default_rng(seed)
    above = np.triu(random.random((9, 9)) ** 6, 1)
    found = holm(above + above.T + np.eye(9))
    at = np.triu_indices(9, 1)
    assert found[at] == pytest.approx(multipletests(above[at], method="holm")[1], abs=1e-15)
    assert (found == found.T).all()
    assert (np.diag(found) == 1).all()


def test_a_pair_that_cannot_be_tested_is_not_told_apart():
    assert holm(np.array([[1, np.nan], [np.nan, 1]])).tolist() == [[1, 1], [1, 1]]


def test_all_pairs_of_the_auc_are_the_clustered_tests_of_each_pair():
    samples, groups = entries([0.1, 0.5, 2.0])
    values, p_values = all_pairs(METRICS["auc"], samples, groups, seed=1)
    for i, j in itertools.combinations(range(3), 2):
        alone = delong_difference(samples[0].truth, samples[i].predictions, samples[j].predictions, groups)
        assert p_values[i, j] == pytest.approx(alone.p_value, rel=1e-9)
        assert values[i] - values[j] == pytest.approx(alone.value)


def test_other_metrics_are_compared_on_the_same_resamples_of_patients():
    samples, groups = entries([0.1, 1.0])
    metric = METRICS["average_precision"]
    values, p_values = all_pairs(metric, samples, groups, seed=1)
    of_pair = bootstrap_differences([metric], *samples, patient_resamples(groups, 1), "patient")[metric.name]
    assert values[0] - values[1] == pytest.approx(of_pair.value)
    # The interval of the pair and the p-value of all pairs come from the same spread of the difference.
    z = 3.92 * abs(of_pair.value) / (of_pair.high - of_pair.low)
    assert norm.isf(p_values[0, 1] / 2) == pytest.approx(z, rel=0.1)


def test_few_patients_are_as_unsure_as_their_number_less_one():
    """A resample of n patients spreads by (n - 1) / n too little: of four, by a quarter."""
    samples, _ = entries([0.1, 3.0], n=40)
    groups, metric = np.arange(40) // 10, METRICS["brier"]
    values, p_values = all_pairs(metric, samples, groups, seed=1)
    first, second = (values_over(each, [metric], patient_resamples(groups, 1))["brier"] for each in samples)
    error = np.sqrt((first - second).var(ddof=1) * 4 / 3)
    assert p_values[0, 1] == pytest.approx(2 * norm.sf(abs(values[0] - values[1]) / error), rel=1e-6)


@pytest.mark.parametrize(("name", "is_told_apart"), [("accuracy", True), ("log_loss", False)])
def test_entries_that_no_resample_moves_differ_by_the_least_error_of_a_share_alone(name, is_told_apart):
    """All right against all wrong. A share has a least error, that of its patients; a loss without spread has none."""
    truth = np.arange(40) % 2
    samples = [Sample(truth, p) for p in (0.1 + 0.8 * truth, 0.9 - 0.8 * truth)]
    _, p_values = all_pairs(METRICS[name], samples, np.arange(40), seed=1)
    assert bool(p_values[0, 1] < 0.001) is is_told_apart
    assert p_values[0, 1] > 0


@pytest.mark.parametrize("name", ["auc", "average_precision", "brier", "accuracy"])
def test_clearly_different_entries_have_one_rank_each(name):
    samples, groups = entries([0.01, 3.0, 30.0], n=2000)
    metric = METRICS[name]
    values = [metric.value(sample) for sample in samples]
    assert sorted(values, reverse=metric.higher_is_better) == values
    found = rank_intervals(metric, samples, groups, seed=1)
    assert [(each.low, each.high, each.is_like_above) for each in found] == [
        (1, 1, False),
        (2, 2, False),
        (3, 3, False),
    ]


@pytest.mark.parametrize("name", ["auc", "average_precision", "log_loss"])
def test_equal_entries_share_all_ranks(name):
    samples, groups = entries([0.1], n=200)
    found = rank_intervals(METRICS[name], samples * 3, groups, seed=1)
    assert [(each.low, each.high, each.is_like_above) for each in found] == [(1, 3, False), (1, 3, True), (1, 3, True)]


def test_a_chain_of_like_neighbours_may_have_different_ends(monkeypatch):
    """A is like B and B like C, but A is better than C: marks compare neighbours, rank intervals all entries."""
    p_values = np.array([[1, 0.5, 0.001], [0.5, 1, 0.5], [0.001, 0.5, 1]])
    monkeypatch.setattr(pairs, "all_pairs", lambda *_: (np.array([0.9, 0.85, 0.8]), p_values))
    found = rank_intervals(METRICS["auc"], [None] * 3, None, 1)
    assert [(each.low, each.high, each.is_like_above) for each in found] == [(1, 2, False), (1, 3, True), (2, 3, True)]


def test_a_lower_loss_is_the_better_rank(monkeypatch):
    p_values = np.array([[1, 0.001], [0.001, 1]])
    monkeypatch.setattr(pairs, "all_pairs", lambda *_: (np.array([0.1, 0.2]), p_values))
    found = rank_intervals(METRICS["brier"], [None] * 2, None, 1)
    assert [(each.low, each.high) for each in found] == [(1, 1), (2, 2)]


def test_one_entry_has_the_first_rank():
    samples, groups = entries([0.1], n=60)
    found = rank_intervals(METRICS["auc"], samples, groups, seed=1)
    assert [(each.low, each.high, each.is_like_above) for each in found] == [(1, 1, False)]


@pytest.mark.slow
def test_equal_boards_rarely_tell_any_pair_apart():
    """Of 60 boards of six entries that are equally good, Holm lets about one in twenty tell any two apart."""
    wrong = 0
    for seed in range(60):
        samples, groups = entries([1.0] * 6, n=300, seed=seed)
        wrong += any((each.low, each.high) != (1, 6) for each in rank_intervals(METRICS["auc"], samples, groups, 1))
    assert wrong <= 7


@pytest.mark.slow
def test_a_roc_band_holds_the_curve_and_has_a_width_where_the_curve_is_perfect():
    truth, p = lesions(3, n=300)
    for predictions in (p, truth * 0.5 + 0.2):
        band = np.array(roc_band(Sample(truth, np.asarray(predictions, float)), np.arange(300) // 2, seed=1))
        values = [METRICS["auc"].value(Sample(truth, predictions))]
        assert (band[:, 1] <= band[:, 2]).all()
        assert (band[:-1, 2] - band[:-1, 1] > 0).all()
        assert band[0, 0] == 0
        assert band[-1].tolist() == [1, 1, 1]
        assert np.trapezoid(band[:, 1], band[:, 0]) <= values[0] + 0.02 <= np.trapezoid(band[:, 2], band[:, 0]) + 0.04


def test_a_roc_band_of_few_cases_has_few_points():
    truth = np.arange(25) % 2
    assert len(roc_band(Sample(truth, np.linspace(0, 1, 25)), np.arange(25), seed=1)) == 5
    assert roc_band(Sample(np.zeros(9, int), np.linspace(0, 1, 9)), np.arange(9), seed=1) == []
