"""P10: intervals and comparisons against scikit-learn and against doing it pair by pair.

All sides run in one thread and are timed in processor seconds, so that other work on the machine counts for none.
Run: make bench-statistics
"""

from __future__ import annotations

import itertools
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import numpy as np  # noqa: E402
from scipy.stats import norm, rankdata  # noqa: E402
from sklearn.metrics import roc_auc_score, roc_curve  # noqa: E402

from benchmarks.harness.rounds import compare, machine  # noqa: E402
from submissions.scoring import METRICS  # noqa: E402
from submissions.scoring.delong import (  # noqa: E402
    delong_covariance,
    delong_difference,
    delong_interval,
    difference_p_values,
)
from submissions.scoring.pairs import RankInterval, rank_intervals  # noqa: E402
from submissions.scoring.resamples import Sample  # noqa: E402
from submissions.scoring.uncertainty import (  # noqa: E402
    bootstrap,
    case_resamples,
)

N_CASES = 6163
CASES_A_PATIENT = 3
N_ENTRIES = 100
N_RESAMPLES = 1000


def made_up(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (truth, predictions) with LUNA25's share of malignant lesions."""
    truth = (random.random(N_CASES) < 0.09).astype(int)
    return truth, 1 / (1 + np.exp(-random.normal(1.7 * truth - 2, 1)))


def sklearn_loop(truth: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap as the published scripts do."""
    random = np.random.RandomState(42)
    areas, sensitivities = [], []
    for _ in range(N_RESAMPLES):
        drawn = random.randint(0, len(p), len(p))
        if len(np.unique(truth[drawn])) < 2:
            continue
        areas.append(roc_auc_score(truth[drawn], p[drawn]))
        fpr, tpr, _ = roc_curve(truth[drawn], p[drawn])
        sensitivities.append(tpr[fpr <= 1 - 0.95][-1])
    return np.percentile(areas, [2.5, 97.5]), np.percentile(sensitivities, [2.5, 97.5])


def mid_rank_delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Return the p-value of one pair, by Sun and Xu's mid-ranks (2014) as published, ranks by scipy."""
    order = np.argsort(1 - truth, kind="stable")
    m, predictions = int(truth.sum()), np.stack([first, second])[:, order]
    n = len(truth) - m
    of_positives = np.stack([rankdata(row[:m]) for row in predictions])
    of_negatives = np.stack([rankdata(row[m:]) for row in predictions])
    of_all = np.stack([rankdata(row) for row in predictions])
    areas = of_all[:, :m].sum(axis=1) / m / n - (m + 1) / 2 / n
    v01 = (of_all[:, :m] - of_positives) / n
    v10 = 1 - (of_all[:, m:] - of_negatives) / m
    covariance = np.cov(v01) / m + np.cov(v10) / n
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return float(2 * norm.sf(abs(areas[0] - areas[1]) / np.sqrt(variance)))


def main() -> None:
    random = np.random.default_rng(1)
    truth, p = made_up(random)
    entries = np.stack([np.clip(p + random.normal(0, 0.05, N_CASES), 0, 1) for _ in range(N_ENTRIES)])
    groups, samples = np.arange(N_CASES) // CASES_A_PATIENT, [Sample(truth, entry) for entry in entries]
    metrics = [METRICS["auc"], METRICS["sensitivity_at_95_specificity"]]

    def all_pairs() -> np.ndarray:
        return difference_p_values(*delong_covariance(truth, entries), 0.0)

    def pair_by_pair() -> list[object]:
        return [delong_difference(truth, entries[i], entries[j]) for i, j in itertools.combinations(range(100), 2)]

    def rank_ranges() -> list[RankInterval]:
        return rank_intervals(METRICS["auc"], samples, groups, seed=1)

    def clustered_pair_by_pair() -> list[object]:
        pairs = itertools.combinations(range(N_ENTRIES), 2)
        return [delong_difference(truth, entries[i], entries[j], groups) for i, j in pairs]

    def mid_ranks_pair_by_pair() -> list[float]:
        return [mid_rank_delong(truth, entries[i], entries[j]) for i, j in itertools.combinations(range(100), 2)]

    def counts() -> dict[str, list[float]]:
        return bootstrap(Sample(truth, p), metrics, case_resamples(N_CASES, N_RESAMPLES))

    ours, published = delong_difference(truth, *entries[:2]), mid_rank_delong(truth, *entries[:2])
    assert ours is not None
    assert np.isclose(ours.p_value, published, rtol=1e-9)
    assert np.allclose(counts()["auc"], sklearn_loop(truth, p)[0], atol=1e-12, rtol=0)
    print(f"bench-statistics, {machine()}, n = {N_CASES}")
    compare(
        "DeLong interval vs one roc_auc_score",
        (lambda: delong_interval(Sample(truth, p)), 50),
        {"roc_auc_score": (lambda: roc_auc_score(truth, p), 50)},
        "at least 1.00",
        time.process_time,
    )
    compare(
        f"all pairs of {N_ENTRIES} entries vs pair by pair",
        (all_pairs, 3),
        {"mid-ranks by scipy, pair by pair": (mid_ranks_pair_by_pair, 1), "our own, pair by pair": (pair_by_pair, 1)},
        "at least 100",
        time.process_time,
    )
    compare(
        f"rank intervals of {N_ENTRIES} entries, by patient and with Holm's correction, vs pair by pair",
        (rank_ranges, 3),
        {"mid-ranks by scipy, not by patient": (mid_ranks_pair_by_pair, 1), "our own": (clustered_pair_by_pair, 1)},
        "at least 20",
        time.process_time,
    )
    compare(
        f"{N_RESAMPLES} resamples of AUC and sensitivity vs a scikit-learn loop",
        (counts, 3),
        {"scikit-learn loop": (lambda: sklearn_loop(truth, p), 1)},
        "at least 50",
        time.process_time,
    )


if __name__ == "__main__":
    main()
