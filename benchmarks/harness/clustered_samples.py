"""Made-up lesions of patients whose true AUC is known, many samples at once, and the facts of their intervals.

A patient's lesions share a part of their scores and of what makes them malignant (a Gaussian copula with one
correlation). Scores are normal with equal variances, so a shift of √2 Φ⁻¹(AUC) gives the AUC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import ndtri

from submissions.scoring.auc_interval import AreaFacts

MAX_CELLS = 400_000


@dataclass(frozen=True)
class Cell:
    """One point of the grid. spread: standard deviation of the malignant scores, the benign ones have 1."""

    patients: int
    lesions: int
    malignant: float
    correlation: float
    auc: float
    spread: float = 1.0

    @property
    def n(self) -> int:
        return self.patients * self.lesions


def grid(spread: float = 1.0) -> Iterator[Cell]:
    """Yield the cells of the grid that expect at least five lesions of each class."""
    for patients, lesions, malignant, correlation, auc in product(
        (20, 50, 100, 300, 1000), (1, 2, 3), (0.05, 0.1, 0.25), (0.0, 0.3, 0.6), (0.7, 0.8, 0.9, 0.95, 0.99)
    ):
        has_five = round(patients * lesions * malignant, 9) >= 5
        if has_five and not (lesions == 1 and correlation):
            yield Cell(patients, lesions, malignant, correlation, auc, spread)


def samples(cell: Cell, n_samples: int, random: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (truth, scores), each (samples, patients · lesions) with a patient's lesions side by side, in chunks."""
    at_once = max(1, MAX_CELLS // cell.n)
    for start in range(0, n_samples, at_once):
        yield _drawn(cell, min(at_once, n_samples - start), random)


def _drawn(cell: Cell, n_samples: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    def latent() -> np.ndarray:
        shared = random.standard_normal((n_samples, cell.patients, 1))
        own = random.standard_normal((n_samples, cell.patients, cell.lesions))
        return (np.sqrt(cell.correlation) * shared + np.sqrt(1 - cell.correlation) * own).reshape(n_samples, cell.n)

    truth = latent() < ndtri(cell.malignant)
    shift = np.sqrt(1 + cell.spread**2) * ndtri(cell.auc)
    return truth, latent() * np.where(truth, cell.spread, 1.0) + shift * truth


def has_both_classes(truth: np.ndarray) -> np.ndarray:
    """Return (samples,) whether a sample has both classes: the others have no AUC."""
    n_positive = truth.sum(axis=1)
    return (n_positive > 0) & (n_positive < truth.shape[1])


def facts_of(truth: np.ndarray, scores: np.ndarray, lesions: int) -> AreaFacts:
    """Return the facts of many samples. Scores without ties; the bench checks some against `delong.area_facts`."""
    n_samples, n = truth.shape
    order = np.argsort(scores, axis=1)
    ranked = np.take_along_axis(truth, order, axis=1)
    n_positive = truth.sum(axis=1).astype(float)
    n_negative = n - n_positive
    below, up_to = np.cumsum(~ranked, axis=1), np.cumsum(ranked, axis=1)
    placed = np.where(ranked, below / n_negative[:, None], 1 - up_to / n_positive[:, None])
    placements = np.empty_like(placed)
    np.put_along_axis(placements, order, placed, axis=1)
    area = np.where(truth, placements, 0).sum(axis=1) / n_positive
    moved = placements - area[:, None]

    def by_patient(values: np.ndarray) -> np.ndarray:
        return values.reshape(n_samples, -1, lesions).sum(axis=2)

    of_positive = by_patient(np.where(truth, moved, 0)) / n_positive[:, None]
    of_negative = by_patient(np.where(truth, 0, moved)) / n_negative[:, None]
    with_positive, with_negative = ((by_patient(of.astype(float)) > 0).sum(axis=1) for of in (truth, ~truth))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            with_positive / (with_positive - 1) * (of_positive**2).sum(axis=1)
            + with_negative / (with_negative - 1) * (of_negative**2).sum(axis=1)
            + 2 * (n // lesions) / (n // lesions - 1) * (of_positive * of_negative).sum(axis=1)
        )
    return AreaFacts(area, variance, n_positive, n_negative, with_positive.astype(float), with_negative.astype(float))
