"""Intervals of the specificity at a fixed sensitivity and of mean losses: they cover where the bootstrap does not."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import nct, norm

from submissions.scoring import METRICS, preferred_interval, score
from submissions.scoring.quantile_interval import TAILS, _by_order, _factors, independent, specificity_interval
from submissions.scoring.resamples import Sample
from submissions.scoring.share_interval import loss_interval, wilson_interval

NAME = "specificity_at_95_sensitivity"


def binormal(random, n_positive, n_negative, shift=1.8):
    truth = np.repeat([1, 0], [n_positive, n_negative])
    return truth, random.standard_normal(n_positive + n_negative) + shift * truth


def interval(truth, scores, groups=None):
    sample = Sample(truth, scores)
    groups = np.arange(len(truth)) if groups is None else groups
    return specificity_interval(sample, groups, METRICS[NAME].value(sample), 0.95)


@pytest.mark.parametrize("n_positive", [8, 15, 30, 90])
@pytest.mark.slow
def test_the_true_specificity_is_held_however_few_positives_tell_the_threshold(n_positive):
    """Wilson's interval, which takes the threshold as known, held 80 to 88 % of such samples."""
    random, true = np.random.default_rng(4), float(norm.cdf(1.8 + ndtri(0.05)))
    ends = np.array([interval(*binormal(random, n_positive, 200)) for _ in range(300)])
    held = ((ends[:, 0] <= true) & (true <= ends[:, 1])).mean()
    assert 0.92 <= held <= 0.995


def test_few_positives_leave_more_open_than_many():
    random = np.random.default_rng(1)
    few, many = (np.mean([np.ptp(interval(*binormal(random, n, 400))) for _ in range(20)]) for n in (10, 300))
    assert few > 2 * many


def test_only_the_order_of_the_scores_counts():
    truth, scores = binormal(np.random.default_rng(2), 20, 100)
    assert interval(truth, np.exp(scores)) == pytest.approx(interval(truth, scores))


def test_the_order_of_a_hundred_positives_gives_their_first_and_tenth():
    """P(fewer than 1 of 100 below the 5 % quantile) = 0.6 % and P(10 or more) = 2.8 %, 11 or more 1.1 %."""
    placements = np.arange(1, 101) / 100
    assert _by_order(placements, 100, 0.05) == (0.01, 0.11)


def test_the_factors_are_those_of_a_tolerance_bound():
    """Odeh and Owen 1980: the lower bound that 95 % of a normal population exceed, of 10 values, at 95 %: k = 2.911."""
    published = -nct.ppf(0.05, 9, np.sqrt(10) * ndtri(0.05)) / np.sqrt(10)
    assert published == pytest.approx(2.911, abs=1e-3)
    low, high = _factors(10.0, 9.0, 0.05)
    assert low == pytest.approx(nct.ppf(TAILS[0], 9, np.sqrt(10) * ndtri(0.05)) / np.sqrt(10))
    assert low < -2.911 < high < 0


def test_alike_cases_of_a_patient_count_as_one():
    values = np.repeat([1.0, 2.0, 5.0, 3.0, 4.5, 0.5], 2)
    assert independent(values, np.arange(12)) == pytest.approx(12)
    assert independent(values, np.repeat(np.arange(6), 2)) == pytest.approx(6, rel=0.15)
    truth, scores = binormal(np.random.default_rng(3), 20, 60)
    doubled = np.repeat(truth, 2), np.repeat(scores, 2)
    alone, together = interval(*doubled), interval(*doubled, np.repeat(np.arange(80), 2))
    assert np.ptp(together) > np.ptp(alone)


@pytest.mark.parametrize(
    ("truth", "scores"),
    [([0] * 90 + [1] * 3, [0.1] * 90 + [0.9] * 3), ([0] * 90 + [1] * 3, [0.9] * 90 + [0.1] * 3), ([0, 1], [0.2, 0.8]),
     ([0] * 5 + [1] * 100, [0.5] * 105), ([0] * 40 + [1] * 40, list(np.linspace(0, 1, 80)))],
)  # fmt: skip
def test_at_its_ends_it_has_a_width_and_holds_the_value(truth, scores):
    sample = Sample(np.array(truth), np.array(scores))
    low, high = interval(np.array(truth), np.array(scores))
    assert 0 <= low <= METRICS[NAME].value(sample) <= high <= 1
    assert high - low > 0.01


def test_ties_count_half_and_what_the_negatives_leave_open_is_added_by_squares():
    """A hundred positives tie with half of a hundred negatives: each is placed at 0.75, the specificity is 0.5."""
    truth, scores = np.repeat([1, 0, 0], [100, 50, 50]), np.repeat([1.0, 1.0, 0.0], [100, 50, 50])
    least, most = wilson_interval(0.5, 100)
    assert interval(truth, scores) == pytest.approx([least, 0.5 + np.hypot(0.25, most - 0.5)])


def test_one_class_has_none():
    assert specificity_interval(Sample(np.ones(3), np.arange(3)), np.arange(3), 1.0, 0.95) is None


def test_it_is_the_one_shown():
    truth, scores = binormal(np.random.default_rng(5), 12, 60)
    found = score("lesion", truth, 1 / (1 + np.exp(-scores)), metrics=[NAME, "brier", "log_loss"], seed=1)
    assert set(found[f"{NAME}_ci"]) == {"quantile", "cases"}
    assert set(found["log_loss_ci"]) == {"loss", "cases"}
    assert list(preferred_interval(found, NAME)) == found[f"{NAME}_ci"]["quantile"]


@pytest.mark.slow
def test_a_skewed_loss_is_held_where_plus_minus_two_errors_are_not():
    """Exponential losses of 15 patients, mean 0.2: on the log scale 92.6 %, by ± 1.96 standard errors under 90 %."""
    random, n = np.random.default_rng(6), 15
    losses = random.exponential(0.2, (2000, n))
    held = []
    for each in losses:
        drawn = each.mean() + each.std() / np.sqrt(n) * np.array([-1.0, 1.0]) / np.sqrt(2)
        low, high = loss_interval(METRICS["log_loss"], each.mean(), drawn, np.arange(n))
        held.append(low <= 0.2 <= high)
    plain = np.abs(losses.mean(axis=1) - 0.2) <= 1.96 * losses.std(axis=1, ddof=1) / np.sqrt(n)
    assert np.mean(held) > 0.92
    assert plain.mean() < 0.90


@pytest.mark.parametrize(("name", "value"), [("brier", 0.0), ("brier", 1.0), ("ece", 0.1), ("auc", 0.5)])
def test_a_loss_at_its_end_or_another_metric_has_none(name, value):
    assert loss_interval(METRICS[name], value, np.array([value, value / 2]), np.arange(9)) is None
