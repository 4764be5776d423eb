"""DeLong's variance against its definition and examples worked by hand."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from submissions.scoring.delong import delong_covariance, delong_difference, delong_interval, delong_p_values
from submissions.scoring.resamples import Sample
from submissions.tests.scoring.test_metrics import lesions


def pairwise_covariance(truth, a, b):
    """DeLong's covariance by the definition, comparing every pair of cases."""

    def placements(p):
        positives, negatives = p[truth == 1], p[truth == 0]
        wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
        return wins.mean(axis=1), wins.mean(axis=0)

    (a10, a01), (b10, b01) = placements(a), placements(b)
    return np.cov(a10, b10)[0, 1] / len(a10) + np.cov(a01, b01)[0, 1] / len(a01)


@pytest.mark.parametrize("decimals", [1, 6])
def test_delong_covariance_is_that_of_the_definition(decimals):
    truth, a = lesions(1, n=70, decimals=decimals)
    b = np.round(np.clip(a + np.random.default_rng(2).normal(0, 0.1, 70), 0, 1), decimals)
    areas, covariance = delong_covariance(truth, np.stack([a, b]))
    assert areas == pytest.approx([roc_auc_score(truth, a), roc_auc_score(truth, b)], abs=1e-12)
    expected = [[pairwise_covariance(truth, x, y) for y in (a, b)] for x in (a, b)]
    assert covariance == pytest.approx(np.array(expected), abs=1e-15)


def test_delong_interval_is_symmetric_and_bounded():
    truth, p = lesions(6)
    low, high = delong_interval(Sample(truth, p))
    assert (low + high) / 2 == pytest.approx(roc_auc_score(truth, p))
    assert delong_interval(Sample(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))) == [1.0, 1.0]


# Worked by hand: negatives 1 2 3 4 and positives 2.5 3.5 5 share 2/4, 3/4 and 4/4 of the pairs each, so the AUC is 3/4;
# variances 1/16 of the positives' shares and 11/108 of the negatives' give (1/16) / 3 + (11/108) / 4 = 5/108.
HAND_TRUTH = np.array([0, 0, 0, 0, 1, 1, 1])
HAND_SCORES = np.array([1, 2, 3, 4, 2.5, 3.5, 5])
HAND_ERROR = math.sqrt(5 / 108)
# The two-sided 95 % quantile of the normal distribution, from the printed tables.
Z_95 = 1.959963984540054


def test_delong_interval_of_a_hand_worked_example_is_that_of_95_percent():
    low, high = delong_interval(Sample(HAND_TRUTH, HAND_SCORES))
    assert (low, high) == (pytest.approx(0.75 - Z_95 * HAND_ERROR, abs=1e-12), 1.0)
    low, high = delong_interval(Sample(HAND_TRUTH, -HAND_SCORES))
    assert (low, high) == (0.0, pytest.approx(0.25 + Z_95 * HAND_ERROR, abs=1e-12))


def test_delong_interval_holds_95_percent_of_the_normal_distribution():
    truth, p = lesions(6)
    low, high = delong_interval(Sample(truth, p))
    error = math.sqrt(pairwise_covariance(truth, p, p))
    assert norm.cdf(high, roc_auc_score(truth, p), error) == pytest.approx(0.975, abs=1e-9)
    assert norm.cdf(low, roc_auc_score(truth, p), error) == pytest.approx(0.025, abs=1e-9)


def test_delong_difference_of_a_hand_worked_example():
    """Reversed scores turn each pair round: the difference is 3/4 - 1/4 and its error twice that of one area."""
    found = delong_difference(HAND_TRUTH, HAND_SCORES, -HAND_SCORES)
    reach = Z_95 * 2 * HAND_ERROR
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach), abs=1e-12)
    # The chance of a standard normal beyond ±x is erfc(x / √2).
    expected = math.erfc(0.5 / (2 * HAND_ERROR) / math.sqrt(2))
    assert found.p_value == pytest.approx(expected, abs=1e-12)
    p_values = delong_p_values(*delong_covariance(HAND_TRUTH, np.stack([HAND_SCORES, -HAND_SCORES])))
    assert p_values == pytest.approx(np.array([[1, expected], [expected, 1]]), abs=1e-12)


def test_two_different_perfect_orders_differ_for_certain():
    """Entries without any spread have no error: the difference is a fact, not an estimate."""
    truth = np.array([0, 0, 1, 1])
    best, worst = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.8, 0.9, 0.1, 0.2])
    found = delong_difference(truth, best, worst)
    assert (found.value, found.low, found.high, found.p_value) == (1.0, 1.0, 1.0, 0.0)
    p_values = delong_p_values(*delong_covariance(truth, np.stack([best, worst])))
    assert p_values.tolist() == [[1, 0], [0, 1]]


def test_delong_needs_two_cases_of_each_class():
    sample = Sample(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))
    assert delong_interval(sample) is None
    assert delong_difference(sample.truth, sample.predictions, sample.predictions) is None


def test_an_entry_does_not_differ_from_its_own_calibration():
    truth, p = lesions(7)
    difference = delong_difference(truth, p, p**2)
    assert (difference.value, difference.p_value) == (0.0, 1.0)
    assert delong_p_values(*delong_covariance(truth, np.stack([p, p**2]))) == pytest.approx(np.ones((2, 2)))


def test_all_pairs_agree_with_pair_by_pair():
    truth, p = lesions(8)
    entries = np.stack([p, 1 - p, np.random.default_rng(1).random(len(p))])
    p_values = delong_p_values(*delong_covariance(truth, entries))
    for i in range(3):
        for j in range(3):
            alone = delong_difference(truth, entries[i], entries[j])
            assert p_values[i, j] == pytest.approx(alone.p_value, abs=1e-12)
