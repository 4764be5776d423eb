"""Intervals of the AUC and of shares against published examples and other implementations."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from statsmodels.stats.proportion import proportion_confint

from submissions.scoring import METRICS
from submissions.scoring.auc_interval import (
    AreaFacts,
    Z,
    auc_intervals,
    hanley_mcneil_variance,
    logit_interval,
    newcombe_interval,
)
from submissions.scoring.delong import auc_interval, delong_covariance
from submissions.scoring.resamples import Sample
from submissions.scoring.share_interval import border_interval, interval_of_share, wilson_interval

# Hanley and McNeil 1982, table I: how sure a reader was (1 to 5) that 58 normal and 51 abnormal CT images are abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
TRUTH = np.repeat([0, 1], [58, 51])
RATINGS = np.concatenate([np.repeat(np.arange(1, 6), NORMAL), np.repeat(np.arange(1, 6), ABNORMAL)]).astype(float)


def test_the_area_of_hanley_and_mcneil_is_the_published_one():
    areas, _ = delong_covariance(TRUTH, RATINGS[None])
    assert areas[0] == pytest.approx(0.893, abs=5e-4)


def hanley_mcneil_1982(area, n_positive, n_negative):
    """Return their variance as they write it, with Q1 and Q2."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n_positive - 1) * (q1 - area**2) + (n_negative - 1) * (q2 - area**2)
    return spread / (n_positive * n_negative)


@pytest.mark.parametrize("area", [0.5, 0.7, 0.893, 0.99])
def test_newcombes_variance_is_theirs_with_the_mean_of_the_sizes(area):
    """Where both classes are equally large nothing is replaced, and his must be theirs."""
    assert hanley_mcneil_variance(area, 51, 51) == pytest.approx(hanley_mcneil_1982(area, 51, 51), rel=1e-12)
    assert np.sqrt(hanley_mcneil_variance(0.893, 51, 58)) == pytest.approx(0.032, abs=1e-3)  # their table IV


@pytest.mark.parametrize(("area", "m", "n"), [(0.893, 51, 58), (0.7, 5, 95), (0.99, 3.5, 40.2), (0.02, 8, 9)])
def test_newcombes_ends_solve_his_equation(area, m, n):
    low, high = newcombe_interval(np.float64(area), np.float64(m), np.float64(n))

    def missed(theta):
        # Newcombe 2006: N* - 1 = (m + n) / 2 - 1 stands for both sizes in Q1 and Q2.
        q1, q2, star = theta / (2 - theta), 2 * theta**2 / (1 + theta), (m + n) / 2 - 1
        variance = (theta * (1 - theta) + star * (q1 - theta**2) + star * (q2 - theta**2)) / (m * n)
        return abs(area - theta) - Z * np.sqrt(variance)

    assert low == pytest.approx(brentq(missed, 1e-12, area), abs=1e-9)
    assert high == pytest.approx(brentq(missed, area, 1 - 1e-12), abs=1e-9)


def test_an_area_of_one_or_zero_has_a_lower_and_an_upper_end():
    """1 - θ = 1.96 √V(θ): for one case of each class V(θ) = θ(1 - θ), so θ = 1 / (1 + 1.96²)."""
    low, high = newcombe_interval(np.array([1.0, 0.0]), np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    assert low == pytest.approx([1 / (1 + Z**2), 0])
    assert high == pytest.approx([1, Z**2 / (1 + Z**2)])


def test_the_logit_interval_is_symmetric_on_the_logit_scale():
    low, high = logit_interval(np.float64(0.9), np.float64(0.02**2))
    assert (logit(low) + logit(high)) / 2 == pytest.approx(logit(0.9))
    assert high == pytest.approx(expit(logit(0.9) + Z * 0.02 / (0.9 * 0.1)))


def facts(**changed):
    given = {"area": 0.9, "variance": 0.02**2, "n_positive": 100, "n_negative": 100, "positive_patients": 100,
             "negative_patients": 100} | changed  # fmt: skip
    return AreaFacts(**{name: np.float64(value) for name, value in given.items()})


@pytest.mark.parametrize(
    ("changed", "is_logit"),
    [
        ({}, True),
        ({"positive_patients": 20}, True),
        ({"positive_patients": 19}, False),
        ({"negative_patients": 19}, False),
        ({"area": 0.991}, False),  # not one of 100 patients lost
        ({"area": 0.009}, False),
        ({"area": 1.0, "variance": 0.0}, False),
        ({"variance": 0.0}, False),  # as where all scores are equal
        ({"variance": np.nan}, False),
    ],
)
def test_few_patients_or_hardly_any_lost_get_newcombes_interval(changed, is_logit):
    low, high, found = auc_intervals(facts(**changed))
    assert bool(found) is is_logit
    assert 0 <= low <= facts(**changed).area <= high <= 1
    assert high > low


def test_a_variance_beyond_that_of_independent_cases_widens_newcombes_interval():
    independent = float(hanley_mcneil_variance(0.9, 15, 85))
    same = {"n_positive": 15, "n_negative": 85, "positive_patients": 15, "negative_patients": 85}
    low, high, _ = auc_intervals(facts(variance=2 * independent, **same))
    expected = newcombe_interval(np.float64(0.9), np.float64(7.5), np.float64(42.5))
    assert (low, high) == pytest.approx(expected)
    narrower = auc_intervals(facts(variance=independent / 2, **same))[:2]
    assert narrower == pytest.approx(newcombe_interval(np.float64(0.9), np.float64(15), np.float64(85)))


def test_at_an_area_of_one_cases_of_a_patient_count_as_one():
    low, _, _ = auc_intervals(facts(area=1, variance=0, n_positive=30, n_negative=60, positive_patients=10,
                                    negative_patients=60))  # fmt: skip
    assert low == pytest.approx(newcombe_interval(np.float64(1), np.float64(10), np.float64(20))[0])


def test_one_positive_case_has_an_interval():
    name, (low, high) = auc_interval(Sample(np.array([1, *[0] * 20]), np.array([0.9, *np.linspace(0, 0.95, 20)])))
    assert name == "newcombe"
    assert 0 < low < 0.5
    assert high < 1


def test_one_class_has_none():
    assert auc_interval(Sample(np.array([0, 0]), np.array([0.1, 0.2]))) is None


@pytest.mark.parametrize(("share", "n"), [(0.0, 10), (1.0, 10), (0.9, 10), (0.3, 37), (0.5, 1000), (1.0, 1)])
def test_wilsons_interval_is_statsmodels(share, n):
    expected = proportion_confint(share * n, n, method="wilson")
    assert wilson_interval(share, n) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "parts", "drawn", "size"),
    [
        (0.8, [10], [0.7, 0.9], 7.2),  # 0.8 · 0.2 over the variance 0.02 · 10/9: ten patients are few
        (0.8, [10], [0.79, 0.81], 10),  # never worth more cases than there are
        (0.8, [10, 3], [0.79, 0.81], 6),  # a mean of two parts: twice the rarer
        (1.0, [10], [1.0, 1.0], 10),  # at an end: the patients
        (0.8, [10], [0.1, 0.9], 1),  # and at least one
    ],
)
def test_a_share_is_worth_as_many_cases_as_its_resamples_of_patients_say(value, parts, drawn, size):
    weights = [(np.arange(10) < n).astype(float) for n in parts]
    found = interval_of_share(value, weights, np.array(drawn), np.arange(10))
    assert found == pytest.approx(wilson_interval(value, size), abs=1e-12)


def test_at_an_end_all_cases_of_a_patient_are_one():
    assert interval_of_share(1.0, [np.ones(10)], np.ones(9), np.arange(10) // 2) == wilson_interval(1.0, 5)


@pytest.mark.parametrize(("name", "worst"), [("brier", 1.0), ("log_loss", 36.04365338911715)])
def test_a_loss_at_its_end_has_clopper_and_pearsons_end_for_none_of_all_patients(name, worst):
    """log loss: −log of the smallest probability that it is taken of, 2.2e-16."""
    groups = np.repeat(np.arange(12), 3)
    most = proportion_confint(0, 12, method="beta")[1]
    assert border_interval(METRICS[name], 0.0, groups) == pytest.approx([0.0, worst * most])
    assert border_interval(METRICS[name], worst, groups) == pytest.approx([worst * (1 - most), worst])
    assert border_interval(METRICS[name], worst / 2, groups) is None
