"""How often the intervals of the metrics beside the AUC hold the true value, as `score` computes them."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.clustered_samples import Cell, has_both_classes, samples
from submissions.scoring import METRICS, preferred_interval, score
from submissions.scoring.resamples import Sample

CELLS = (
    Cell(20, 3, 0.25, 0.3, 0.9), Cell(50, 2, 0.25, 0.3, 0.9), Cell(100, 2, 0.1, 0.6, 0.95),
    Cell(300, 1, 0.1, 0.0, 0.8), Cell(300, 2, 0.05, 0.3, 0.99),
)  # fmt: skip
NAMES = (
    "accuracy", "recall", "specificity", "precision", "f1", "average_precision", "sensitivity_at_95_specificity",
    "specificity_at_95_sensitivity", "brier", "log_loss",
)  # fmt: skip
# Patients of the one large sample that stands for all there are.
POPULATION = 100_000


@dataclass(frozen=True)
class MetricCoverage:
    """The share of samples in which the interval held the truth: the one shown, and the bootstrap over patients."""

    name: str
    cell: Cell
    shown: float
    bootstrap: float


def _probabilities(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-1.7 * (scores - 1.5)))


def _of_cell(arguments: tuple[Cell, int]) -> list[MetricCoverage]:
    cell, n_samples = arguments
    random = np.random.default_rng([7, cell.patients])
    everyone = Cell(POPULATION, cell.lesions, cell.malignant, cell.correlation, cell.auc)
    truth, scores = next(samples(everyone, 1, random))
    population = Sample(truth[0].astype(int), _probabilities(scores[0]))
    true = {name: METRICS[name].value(population) for name in NAMES}
    patients = [str(i // cell.lesions) for i in range(cell.n)]
    held: dict[str, list[tuple[bool, bool]]] = {name: [] for name in NAMES}
    for truths, all_scores in samples(cell, n_samples, random):
        for number in np.flatnonzero(has_both_classes(truths)):
            p = _probabilities(all_scores[number])
            found = score("lesion", truths[number].astype(int), p, patients, NAMES, seed=int(random.integers(2**31)))
            for name in NAMES:
                ends = preferred_interval(found, name)
                bootstrap = found[f"{name}_ci"].get("patient", [found[name]] * 2)
                held[name].append(tuple(low <= true[name] <= high for low, high in (ends, bootstrap)))
    shares = {name: np.mean(of_name, axis=0) for name, of_name in held.items()}
    return [MetricCoverage(name, cell, float(shown), float(old)) for name, (shown, old) in shares.items()]


def metric_table(n_samples: int) -> list[str]:
    """Return lines of a Markdown table of all metrics over the cells."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = [each for of_cell in pool.map(_of_cell, [(cell, n_samples) for cell in CELLS]) for each in of_cell]
    lines = ["| | mean coverage | lowest | bootstrap over patients |", f"|{' --- |' * 4}"]
    for name in NAMES:
        shown, old = np.array([(each.shown, each.bootstrap) for each in found if each.name == name]).T
        lines.append(
            f"| `{name}` | {shown.mean():.1%} | {shown.min():.1%} | {old.mean():.1%}, lowest {old.min():.1%} |"
        )
    return lines
