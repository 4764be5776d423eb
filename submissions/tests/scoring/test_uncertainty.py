"""Intervals against slow but plain versions of themselves."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from submissions.scoring import METRICS, metrics_of
from submissions.scoring.resamples import Resamples, Sample
from submissions.scoring.uncertainty import (
    _chunk_sizes,
    bootstrap,
    bootstrap_differences,
    case_resamples,
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


def test_a_percentile_interval_leaves_out_the_outer_twentieth():
    """0 … 1000: 2.5 % of the values lie below 25, 2.5 % above 975."""
    values = np.random.default_rng(1).permutation(np.arange(1001.0))
    assert percentile_interval(np.append(values, [np.nan, np.inf])) == [25.0, 975.0]


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


@pytest.mark.parametrize(("n", "sizes"), [(10, [20, 20, 10]), (300_000, [13, 13, 13, 11]), (10**8, [1] * 50)])
def test_few_resamples_of_many_cases_are_held_at_once(n, sizes):
    assert list(_chunk_sizes(n, 50)) == sizes
