"""Intervals against slow but plain versions of themselves."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from submissions.scoring import METRICS, metrics_of
from submissions.scoring.resamples import Resamples, Sample
from submissions.scoring.uncertainty import (
    bootstrap,
    bootstrap_differences,
    case_resamples,
    delong_covariance,
    delong_difference,
    delong_interval,
    delong_p_values,
    patient_groups,
    patient_resamples,
    percentile_interval,
)
from submissions.tests.scoring.test_metrics import lesions, slices


def luna25_auc_interval(truth, p, n_resamples=1000):
    """LUNA25's published loop, word for word."""
    random = np.random.RandomState(42)
    areas = []
    for _ in range(n_resamples):
        drawn = random.randint(0, len(p), len(p))
        if len(np.unique(truth[drawn])) < 2:
            continue
        areas.append(roc_auc_score(truth[drawn], p[drawn]))
    return np.percentile(areas, [2.5, 97.5])


def pairwise_covariance(truth, a, b):
    """DeLong's covariance by the definition, comparing every pair of cases."""

    def placements(p):
        positives, negatives = p[truth == 1], p[truth == 0]
        wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
        return wins.mean(axis=1), wins.mean(axis=0)

    (a10, a01), (b10, b01) = placements(a), placements(b)
    return np.cov(a10, b10)[0, 1] / len(a10) + np.cov(a01, b01)[0, 1] / len(a01)


@pytest.mark.slow
def test_the_case_bootstrap_is_luna25s():
    truth, p = lesions(1, n=80)
    found = bootstrap(Sample(truth, p), [METRICS["auc"]], case_resamples(80))["auc"]
    assert found == pytest.approx(luna25_auc_interval(truth, p), abs=1e-12)


@pytest.mark.slow
def test_resamples_of_one_class_are_skipped_as_luna25_does():
    truth, p = np.array([1, 0, 0, 0, 0, 0]), np.array([0.4, 0.1, 0.5, 0.3, 0.2, 0.4])
    found = bootstrap(Sample(truth, p), [METRICS["auc"]], case_resamples(6))["auc"]
    assert found == pytest.approx(luna25_auc_interval(truth, p), abs=1e-12)


@pytest.mark.parametrize(("kind", "data"), [("lesion", lesions(5, n=60)), ("slice", slices(5, n=40))])
def test_every_counted_metric_equals_itself_on_the_cases_drawn(kind, data):
    sample = Sample(*data)
    counts = next(case_resamples(sample.n, 20))
    for name, metric in metrics_of(kind).items():
        if metric.from_resamples:
            one_by_one = [metric._of_one(sample, row) for row in counts]
            assert metric.over(Resamples(sample, counts)) == pytest.approx(one_by_one, abs=1e-12), name


def test_a_metric_without_counts_still_gets_an_interval():
    truth, p = lesions(3, n=60)
    low, high = bootstrap(Sample(truth, p), [METRICS["ece"]], case_resamples(60, 50))["ece"]
    assert 0 <= low < high <= 1


def test_whole_patients_are_drawn():
    groups = patient_groups(["b", "a", "b", "c", "", ""])
    assert groups.tolist() == [0, 1, 0, 2, 3, 4]
    counts = np.concatenate(list(patient_resamples(groups, seed=3, n_resamples=50)))
    assert (counts[:, 0] == counts[:, 2]).all()
    by_patient = counts[:, [0, 1, 3, 4, 5]]
    assert (by_patient.sum(axis=1) == 5).all()


@pytest.mark.parametrize(("n", "n_resamples"), [(50, 130), (50, 20), (50, 19), (50, 1), (300_000, 15)])
def test_there_are_as_many_resamples_as_asked_each_as_large_as_the_sample(n, n_resamples):
    """However they are cut into chunks: 1,000 resamples are 1,000."""
    for chunks in (case_resamples(n, n_resamples), patient_resamples(np.arange(n), 1, n_resamples)):
        sizes = [(len(counts), set(counts.sum(axis=1))) for counts in chunks]
        assert sum(size for size, _ in sizes) == n_resamples
        assert all(drawn == {n} for _, drawn in sizes)


def test_the_patient_bootstrap_is_its_seed():
    groups = patient_groups([f"p{i // 3}" for i in range(30)])
    first, again, other = (np.concatenate(list(patient_resamples(groups, seed, 40))) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_copies_of_one_patient_widen_the_interval():
    truth, p = lesions(4, n=60)
    fivefold = Sample(np.repeat(truth, 5), np.repeat(p, 5))
    groups = np.repeat(np.arange(60), 5)
    by_patient = bootstrap(fivefold, [METRICS["auc"]], patient_resamples(groups, 1))["auc"]
    by_case = bootstrap(fivefold, [METRICS["auc"]], case_resamples(300))["auc"]
    assert np.diff(by_patient) > 1.7 * np.diff(by_case)


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


def test_a_percentile_interval_leaves_out_the_outer_twentieth():
    """0 … 1000: 2.5 % of the values lie below 25, 2.5 % above 975."""
    values = np.random.default_rng(1).permutation(np.arange(1001.0))
    assert percentile_interval(np.append(values, [np.nan, np.inf])) == [25.0, 975.0]


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


def test_any_metric_can_be_compared_on_the_same_resamples():
    truth, p = slices(9)
    blurred = 0.5 * p + 0.125
    pair = Sample(truth, p), Sample(truth, blurred)
    found = bootstrap_differences([METRICS["log_loss"]], *pair, case_resamples(len(p), 200), "cases")
    difference = found["log_loss"]
    assert difference.value < 0
    assert difference.low <= difference.value <= difference.high


def test_no_finite_value_has_no_interval():
    assert percentile_interval(np.array([np.nan, np.nan])) is None


def test_sensitivity_in_a_resample_is_read_off_its_own_curve():
    truth, p = lesions(11, n=90, decimals=1)
    sample = Sample(truth, p)
    counts = next(case_resamples(90, 20))
    values = METRICS["sensitivity_at_95_specificity"].over(Resamples(sample, counts))
    for row, found in zip(counts.astype(int), values, strict=True):
        drawn = np.repeat(np.arange(90), row)
        fpr, tpr, _ = roc_curve(truth[drawn], p[drawn], drop_intermediate=False)
        assert found == pytest.approx(tpr[fpr <= 1 - 0.95][-1])
