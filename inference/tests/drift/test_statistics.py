"""Drift numbers are those of the textbook."""

import math

import numpy as np
import pytest

from inference.drift import statistics as drift


def table(rows: int, seed: int = 0, shift: float = 0.0, classes=("a", "b")) -> dict[str, list]:
    rng = np.random.default_rng(seed)
    columns = {name: list(rng.normal(shift, 1, rows)) for name in drift.NUMBER_COLUMNS}
    return {**columns, "pred_class": list(rng.choice(classes, rows))}


KNOWN_PSI = [
    ([50, 50], [50, 50], 0.0),
    ([1, 2, 7], [10, 20, 70], 0.0),
    ([50, 50], [75, 25], 0.25 * math.log(1.5) + -0.25 * math.log(0.5)),
    ([10, 90], [90, 10], 2 * 0.8 * math.log(9)),
]


@pytest.mark.parametrize(("before", "after", "expected"), KNOWN_PSI)
def test_psi_has_its_known_values(before, after, expected):
    assert drift.psi(before, after) == pytest.approx(expected, abs=1e-12)


def test_psi_is_symmetric_and_finite_with_empty_bins():
    assert drift.psi([10, 0], [0, 10]) == pytest.approx(drift.psi([0, 10], [10, 0]))
    assert math.isfinite(drift.psi([10, 0, 0], [0, 0, 10]))


def test_kolmogorov_smirnov_has_its_known_values():
    """D by hand; the tail from Smirnov's table (1948): P(K > 1.36) = 0.0495, P(K > 1.63) = 0.0098."""
    assert drift.kolmogorov_smirnov([1, 2, 3, 4], [3, 4, 5, 6]) == (0.5, pytest.approx(0.69937, abs=1e-5))
    assert drift.kolmogorov_smirnov([1, 2], [1, 2]) == (0.0, 1.0)
    rows = np.arange(200.0)
    assert drift.kolmogorov_smirnov(rows, rows + 27.2) == (pytest.approx(0.14), pytest.approx(0.0397, abs=1e-4))


@pytest.mark.parametrize(("x", "tail"), [(1.36, 0.049486), (1.63, 0.009846), (0.5, 0.963945)])
def test_the_tail_is_smirnovs(x, tail):
    """With n = m = 20000, D = k / 20000 gives x = k / 200 exactly."""
    rows = np.arange(20000.0)
    assert drift.kolmogorov_smirnov(rows, rows + round(200 * x))[1] == pytest.approx(tail, abs=2e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "m", "shift"), [(30, 50, 0.0), (200, 40, 0.5), (500, 500, 0.1), (20, 20, 3.0)])
def test_the_distance_is_the_largest_between_the_two_functions(seed, n, m, shift):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=n), rng.normal(shift, size=m).round(1)
    apart = [abs(np.mean(first <= x) - np.mean(second <= x)) for x in (*first, *second)]
    assert drift.kolmogorov_smirnov(first, second)[0] == pytest.approx(max(apart), abs=1e-12)


def test_classes_drift_beyond_what_chance_gives_once_in_a_thousand():
    """Chi-squared's 99.9 % quantile with one degree is 10.828: PSI of 100 and 100 rows must pass 0.21655."""
    assert drift._psi_by_chance(np.array([50.0, 50.0]), np.array([50.0, 50.0])) == pytest.approx(0.21655, abs=1e-5)


def test_bins_hold_a_tenth_of_the_reference_each():
    values = np.arange(1000.0)
    counts = drift.bin_counts(values, drift.bin_edges(values))
    assert counts.tolist() == pytest.approx([100.0] * 10, abs=1)


@pytest.mark.parametrize("value", [0.0, 255.0, -3.5])
def test_a_constant_column_drifts_when_it_changes_and_only_then(value):
    reference = np.full(100, value)
    assert not drift.compare_numbers("min", reference, np.full(50, value)).is_drifted
    assert drift.compare_numbers("min", reference, np.full(50, value + 1)).is_drifted
    assert drift.compare_numbers("min", reference, np.full(50, value - 1)).is_drifted


FEW_OTHERS = [
    ([512.0] * 97 + [768.0] * 3, 256.0),  # height: the most frequent value is the smallest of the reference
    ([255.0] * 97 + [200.0, 210.0, 220.0], 100.0),  # max: it is the largest
    ([0.0] * 97 + [3.0, 5.0, 7.0], -1000.0),
]


@pytest.mark.parametrize(("reference", "value"), FEW_OTHERS)
def test_a_nearly_constant_column_drifts_downwards_too(reference, value):
    before = np.array(reference * 5)
    assert drift.compare_numbers("max", before, np.full(100, value)).is_drifted
    same = drift.compare_numbers("max", before, np.array(reference))
    assert not same.is_drifted
    assert same.bins[:2] == (f"< {reference[0]:.4g}", f"≤ {reference[0]:.4g}")


@pytest.mark.parametrize("rows", [20, 50, 500])
def test_a_constant_column_that_stays_has_no_psi(rows):
    """A bin that is empty on both sides says nothing, however many rows there are on each."""
    assert drift.compare_numbers("height", np.full(2000, 512.0), np.full(rows, 512.0)).psi == pytest.approx(0.0)
    assert drift.psi([2000, 0], [20, 0]) == pytest.approx(0.0)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [20, 60, 500])
def test_the_same_source_seldom_drifts(rows):
    shares = [drift.compare(table(600, 1), table(rows, seed)).share_drifted for seed in range(2, 42)]
    assert np.mean(shares) < 0.02


@pytest.mark.parametrize("rows", [60, 500])
def test_another_source_drifts_in_each_number(rows):
    report = drift.compare(table(600, 1), table(rows, 2, shift=1.5))
    assert all(column.is_drifted for column in report.columns if column.ks is not None)


def test_classes_drift_when_their_shares_change():
    reference = table(400, 1)
    assert drift.compare(reference, table(200, 2, classes=("a", "a", "a", "b"))).columns[-1].is_drifted
    assert drift.compare(reference, table(200, 2, classes=("c",))).columns[-1].is_drifted
    assert not drift.compare(reference, table(200, 2)).columns[-1].is_drifted


def test_few_rows_are_not_judged():
    report = drift.compare(table(600, 1), table(19, 2, shift=5))
    assert not report.is_judged
    assert report.share_drifted == 0.0


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 30), (30, 0)])
def test_nothing_to_compare_is_no_drift(before, after):
    report = drift.compare(table(before), table(after))
    assert (report.columns, report.share_drifted, report.is_judged) == ((), 0.0, False)


def test_shares_of_the_bins_sum_to_one():
    for column in drift.compare(table(100, 1), table(50, 2)).columns:
        assert sum(column.reference_shares) == pytest.approx(1)
        assert sum(column.current_shares) == pytest.approx(1)
        assert len(column.bins) == len(column.current_shares)
