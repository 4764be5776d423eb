"""Detection of nodules: worked by hand, and against an evaluation written as LUNA16 describes it, mark by mark."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from submissions.kinds import KINDS
from submissions.scoring import MetricError, curves, score

KIND = KINDS["nodule-detection"]
RATES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
NAMES = [f"sensitivity_at_{name}_fp" for name in ("1_8", "1_4", "1_2", "1", "2", "4", "8")]


def scan(*nodules, irrelevant=()):
    return {"nodules": [list(each) for each in nodules], "irrelevant": [list(each) for each in irrelevant]}


def scored(truths, answers, **options):
    return score(KIND.name, KIND.truths(truths), KIND.gather(answers), ranking="cpm", **options)


def sensitivities(truths, answers):
    found = scored(truths, answers)
    return [found[name] for name in NAMES]


# Three nodules in two scans. From the top: 0.99 on the irrelevant finding (ignored), 0.9 at exactly the radius (false),
# 0.8 the better of two on the first nodule (a hit; 0.6 is ignored), 0.7 nowhere (false), 0.5 on the third (a hit).
# So the points are (0, 0) (1/2, 0) (1/2, 1/3) (1, 1/3) (1, 2/3), by false positives a scan and share of the nodules.
WORKED_TRUTH = [
    scan((0, 0, 0, 10), (50, 0, 0, 4), irrelevant=[(0, 50, 0, 10)]),
    scan((0, 0, 0, 6)),
]
WORKED_ANSWERS = [
    [[4.9, 0, 0, 0.6], [0, 0, 0, 0.8], [0, 50, 1, 0.99], [100, 0, 0, 0.7], [52, 0, 0, 0.9]],
    [[0, 0, 2.9, 0.5]],
]


def test_an_example_worked_by_hand():
    found = scored(WORKED_TRUTH, WORKED_ANSWERS)
    assert [found[name] for name in NAMES] == pytest.approx([0, 0, 1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3], abs=1e-15)
    assert found["cpm"] == pytest.approx(3 / 7, abs=1e-15)
    assert found["n"] == 2


def test_equal_probabilities_are_one_step_along_a_straight_line():
    answers = [[[0, 0, 0, 0.5], [90, 0, 0, 0.5], [80, 0, 0, 0.5]]]
    assert sensitivities([scan((0, 0, 0, 4))], answers) == pytest.approx([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 1, 1])


def test_without_false_positives_every_rate_has_all_that_was_found():
    assert sensitivities([scan((0, 0, 0, 4), (9, 9, 9, 2))], [[[0, 0, 0, 0.1]]]) == [0.5] * 7


def test_no_candidates_find_nothing():
    assert sensitivities([scan((0, 0, 0, 4)), scan()], [[], []]) == [0.0] * 7


def test_false_positives_alone_find_nothing():
    assert sensitivities([scan((0, 0, 0, 4))], [[[50, 0, 0, 0.9]] * 3]) == [0.0] * 7


def test_a_candidate_between_two_nodules_finds_both():
    assert sensitivities([scan((0, 0, 0, 10), (4, 0, 0, 10))], [[[2, 0, 0, 0.9]]]) == [1.0] * 7


def test_a_candidate_on_a_nodule_and_an_irrelevant_finding_counts():
    truths = [scan((0, 0, 0, 10), irrelevant=[(1, 0, 0, 10)])]
    assert sensitivities(truths, [[[0, 0, 0, 0.9]]]) == [1.0] * 7


@pytest.mark.parametrize(("probability", "is_kept"), [(0.6, True), (0.5, False)])
def test_a_hundred_candidates_of_a_scan_count_and_those_equal_to_the_next_do_not(probability, is_kept):
    candidates = [[500 + number, 0, 0, 0.5] for number in range(100)] + [[0, 0, 0, probability]]
    assert sensitivities([scan((0, 0, 0, 4))], [candidates])[-1] == float(is_kept)


def test_a_split_without_a_nodule_has_no_score():
    with pytest.raises(MetricError):
        scored([scan(), scan(irrelevant=[(0, 0, 0, 3)])], [[[0, 0, 0, 0.5]], []])


def test_a_number_that_is_none_is_our_fault():
    with pytest.raises(MetricError, match="not finite"):
        scored([scan((0, 0, 0, 4))], [[[0, 0, 0, float("nan")]]])


def marks_of_scan(truth, answer):
    """One list entry a mark: (is it a nodule, probability or None where it was missed)."""
    if len(answer) > 100:
        limit = sorted((each[3] for each in answer), reverse=True)[100]
        answer = [each for each in answer if each[3] > limit]
    left, marks = dict(enumerate(answer)), []
    for state in ("nodules", "irrelevant"):
        for x, y, z, diameter in truth[state]:
            near = [
                (number, each)
                for number, each in enumerate(answer)
                if (each[0] - x) ** 2 + (each[1] - y) ** 2 + (each[2] - z) ** 2 < (diameter / 2) ** 2
            ]
            for number, _ in near:
                left.pop(number, None)
            if state == "nodules":
                marks.append((1, max((each[3] for _, each in near), default=None)))
    return marks + [(0, each[3]) for each in left.values()]


def reference(scans):
    """Return the sensitivities of scans [(truth, answer)], from scikit-learn's ROC curve of all that was marked."""
    marks = [mark for truth, answer in scans for mark in marks_of_scan(truth, answer)]
    n_nodules = sum(is_nodule for is_nodule, _ in marks)
    seen = [(is_nodule, p) for is_nodule, p in marks if p is not None]
    n_hit = sum(is_nodule for is_nodule, _ in seen)
    if n_hit == 0:
        return np.zeros(len(RATES))
    if n_hit == len(seen):
        return np.full(len(RATES), n_hit / n_nodules)
    fpr, tpr, _ = roc_curve([is_nodule for is_nodule, _ in seen], [p for _, p in seen])
    return np.interp(RATES, fpr * (len(seen) - n_hit) / len(scans), tpr * n_hit / n_nodules)


def made_up(seed, n=25, decimals=2):
    """Scans whose candidates often hit, double, tie, and lie on irrelevant findings."""
    random = np.random.default_rng(seed)
    scans = []
    for _ in range(n):
        nodules = [[*random.uniform(-40, 40, 3), random.uniform(3, 30)] for _ in range(random.integers(0, 4))]
        irrelevant = [[*random.uniform(-40, 40, 3), 10.0] for _ in range(random.integers(0, 6))]
        answer = [[*random.uniform(-40, 40, 3), random.random()] for _ in range(random.integers(0, 130))]
        for x, y, z, diameter in nodules + irrelevant:
            for _ in range(random.integers(0, 4)):
                away = random.normal(0, diameter / 4, 3)
                answer.append([x + away[0], y + away[1], z + away[2], random.uniform(0.3, 1)])
        answer = [[x, y, z, round(p, decimals)] for x, y, z, p in answer]
        scans.append((scan(*nodules, irrelevant=irrelevant), answer))
    return scans


@pytest.mark.parametrize("seed", range(12))
def test_made_up_scans_get_the_references_numbers(seed):
    scans = made_up(seed, decimals=1 + seed % 3)
    found = scored(*zip(*scans, strict=True))
    expected = reference(scans)
    assert [found[name] for name in NAMES] == pytest.approx(expected, abs=1e-12)
    assert found["cpm"] == pytest.approx(expected.mean(), abs=1e-12)


@pytest.mark.slow
def test_the_interval_is_that_of_scans_drawn_with_replacement():
    scans = made_up(3, n=8)
    random = np.random.RandomState(42)
    drawn = [[scans[number] for number in random.randint(0, 8, 8)] for _ in range(1000)]
    cpms = [reference(some).mean() for some in drawn if any(truth["nodules"] for truth, _ in some)]
    found = scored(*zip(*scans, strict=True))
    assert found["cpm_ci"]["cases"] == pytest.approx(np.percentile(cpms, [2.5, 97.5]), abs=1e-12)


def test_scans_of_one_patient_are_drawn_together():
    scans = made_up(4, n=8)
    found = scored(*zip(*scans, strict=True), patients=["a", "a", "b", "b", "c", "c", "d", "d"], seed=1)
    assert set(found["cpm_ci"]) == {"cases", "patient", "wilson"}


@pytest.mark.parametrize(("n_nodules", "is_small"), [(9, True), (10, None)])
def test_a_split_with_under_ten_nodules_is_marked_however_many_scans_it_has(n_nodules, is_small):
    truths = [scan(*[(20 * number, 0, 0, 4) for number in range(n_nodules)])] + [scan()] * 12
    assert scored(truths, [[[0, 0, 0, 0.5]]] * 13).get("is_small") is is_small


def test_the_curve_runs_from_an_eighth_to_eight_with_far_fewer_points_than_scans():
    truths, answers = zip(*made_up(1, n=60), strict=True)
    points = curves(KIND.name, KIND.truths(truths), KIND.gather(answers))["froc"]
    assert len(points) == 12
    assert (points[0][0], points[-1][0]) == (0.125, 8.0)
    assert points[-1][1] == pytest.approx(scored(truths, answers)["sensitivity_at_8_fp"], abs=5e-4)
    assert all(low[1] <= high[1] for low, high in itertools.pairwise(points))
