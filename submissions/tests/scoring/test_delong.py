"""DeLong's variance against its definition and examples worked by hand."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from submissions.scoring.delong import delong_covariance, delong_difference, delong_interval, difference_p_values
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
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - reach, min(0.5 + reach, 1)), abs=1e-12)
    # The chance of a standard normal beyond ±x is erfc(x / √2).
    expected = math.erfc(0.5 / (2 * HAND_ERROR) / math.sqrt(2))
    assert found.p_value == pytest.approx(expected, abs=1e-12)
    p_values = difference_p_values(*delong_covariance(HAND_TRUTH, np.stack([HAND_SCORES, -HAND_SCORES])), 0.0)
    assert p_values == pytest.approx(np.array([[1, expected], [expected, 1]]), abs=1e-12)


def test_four_cases_do_not_tell_a_perfect_entry_from_its_reverse_for_certain():
    """Neither has any spread, so the estimated error is zero; what two cases of a class can show is not."""
    truth = np.array([0, 0, 1, 1])
    best, worst = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.8, 0.9, 0.1, 0.2])
    found = delong_difference(truth, best, worst)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.38563570449716633)  # Newcombe's lower end of an AUC of 1
    assert 0.001 < found.p_value < 0.01
    many = np.repeat(truth, 50)
    assert delong_difference(many, np.repeat(best, 50), np.repeat(worst, 50)).p_value < 1e-6


def clusters(seed, n=90):
    random = np.random.default_rng(seed)
    groups = random.integers(0, 40, n)
    truth = (random.random(n) < 0.3).astype(int)
    return groups, truth, np.round(random.normal(truth, 1) + random.normal(0, 1, 40)[groups], 1)


def test_patients_of_one_case_are_delongs_cases():
    _, truth, scores = clusters(1)
    alone, plain = (delong_covariance(truth, scores[None], groups)[1] for groups in (np.arange(90), None))
    assert alone == pytest.approx(plain, abs=1e-15)


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_of_a_patients_case_are_no_further_evidence(copies):
    _, truth, scores = clusters(2)
    copied = delong_covariance(
        np.repeat(truth, copies), np.repeat(scores, copies)[None], np.repeat(np.arange(90), copies)
    )
    assert copied[1] == pytest.approx(delong_covariance(truth, scores[None])[1], rel=1e-12)


def obuchowski(truth, scores, groups):
    """Return the variance as Obuchowski (1997) writes it: sums over clusters of the placement of every case."""
    wins = (scores[:, None] > scores) + 0.5 * (scores[:, None] == scores)
    m, n = (truth == 1).sum(), (truth == 0).sum()
    v10, v01 = wins[:, truth == 0].mean(axis=1), wins[truth == 1].mean(axis=0)
    area = v10[truth == 1].mean()
    s10 = s01 = s11 = 0.0
    clusters_of = [np.unique(groups[truth == 1]), np.unique(groups[truth == 0]), np.unique(groups)]
    for cluster in clusters_of[2]:
        here = groups == cluster
        x = v10[here & (truth == 1)].sum() - (here & (truth == 1)).sum() * area
        y = v01[here & (truth == 0)].sum() - (here & (truth == 0)).sum() * area
        s10, s01, s11 = s10 + x * x, s01 + y * y, s11 + x * y
    i10, i01, i = (len(each) for each in clusters_of)
    s10, s01, s11 = s10 * i10 / ((i10 - 1) * m), s01 * i01 / ((i01 - 1) * n), s11 * i / (i - 1)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


@pytest.mark.parametrize("seed", range(5))
def test_the_clustered_variance_is_that_of_the_definition(seed):
    groups, truth, scores = clusters(seed)
    found = delong_covariance(truth, scores[None], groups)[1][0, 0]
    assert found == pytest.approx(obuchowski(truth, scores, groups), rel=1e-12)


def test_the_clustered_covariance_is_statsmodels_sandwich():
    """The AUC is the mean placement of the positives; a regression on constants clusters its covariance by patient."""
    groups, truth, a = clusters(6)
    # Every patient has both classes, so that all small-sample factors are the same, as statsmodels' is.
    groups, truth, a = np.tile(np.arange(30), 3), np.tile([1, 0, 0], 30).reshape(30, 3).T.ravel(), a
    b = a + np.random.default_rng(1).normal(0, 1, 90)

    def placements(scores):
        wins = (scores[:, None] > scores) + 0.5 * (scores[:, None] == scores)
        return np.where(truth == 1, wins[:, truth == 0].mean(axis=1), wins[truth == 1].mean(axis=0))

    def sandwich(values):
        design = np.stack([truth == 1, truth == 0], axis=1).astype(float)
        options = {"groups": groups, "use_correction": False}
        fitted = sm.OLS(values, design).fit(cov_type="cluster", cov_kwds=options)
        return fitted.cov_params().sum() * 30 / 29

    found = delong_covariance(truth, np.stack([a, b]), groups)[1]
    assert found[0, 0] == pytest.approx(sandwich(placements(a)), rel=1e-10)
    assert found[1, 1] == pytest.approx(sandwich(placements(b)), rel=1e-10)
    of_difference = found[0, 0] + found[1, 1] - 2 * found[0, 1]
    assert of_difference == pytest.approx(sandwich(placements(a) - placements(b)), rel=1e-9)


@pytest.mark.slow
def test_the_clustered_variance_is_near_the_jackknife_over_patients():
    groups, truth, scores = clusters(3, n=400)
    areas = [roc_auc_score(truth[groups != g], scores[groups != g]) for g in range(40)]
    jackknife = 39 / 40 * np.sum((np.array(areas) - np.mean(areas)) ** 2)
    assert delong_covariance(truth, scores[None], groups)[1][0, 0] == pytest.approx(jackknife, rel=0.1)


def test_delong_needs_two_cases_of_each_class():
    sample = Sample(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))
    assert delong_interval(sample) is None
    assert delong_difference(sample.truth, sample.predictions, sample.predictions) is None


def test_an_entry_does_not_differ_from_its_own_calibration():
    truth, p = lesions(7)
    difference = delong_difference(truth, p, p**2)
    assert (difference.value, difference.p_value) == (0.0, 1.0)
    assert difference_p_values(*delong_covariance(truth, np.stack([p, p**2])), 0.0) == pytest.approx(np.ones((2, 2)))


def test_all_pairs_agree_with_pair_by_pair():
    truth, p = lesions(8)
    entries = np.stack([p, 1 - p, np.random.default_rng(1).random(len(p))])
    p_values = difference_p_values(*delong_covariance(truth, entries), 0.0)
    for i in range(3):
        for j in range(3):
            alone = delong_difference(truth, entries[i], entries[j])
            assert p_values[i, j] == pytest.approx(alone.p_value, abs=1e-12)
