"""Read group counts off the curves of 15 partitions, and solve for every case by an integer programme.

Each file gives the cases only a few distinct scores, so that a curve has a corner for each group, and the corners tell
how many public malignant and benign cases the group holds. Unknown per case: public and malignant, public and benign,
or private.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_diag, csr_array, hstack, identity, vstack

from benchmarks.leakage.judging import Guess
from benchmarks.leakage.participant import Participant
from benchmarks.leakage.phases import PUBLIC, TRIES

GROUPS = 20
SOLVE_S = 120.0
Counts = NDArray[np.float64]


def attack(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    n = len(player.ids)
    rows, positives, negatives = [], [], []
    for _ in range(tries):
        groups = rng.permutation(np.arange(n) % GROUPS)
        seen = player.submit((groups + 1) / (GROUPS + 1))
        counts = _counts(seen.curve("roc"))
        if counts is not None:
            rows.append((groups == np.arange(GROUPS)[::-1, None]).astype(float))
            positives.append(counts[0])
            negatives.append(counts[1])
    if not rows:
        return [Guess()]
    solved = _solve(np.concatenate(rows), np.concatenate(positives), np.concatenate(negatives))
    return [Guess()] if solved is None else [_guess(player, *solved, malignant)]


def _counts(points: list[list[float]]) -> tuple[Counts, Counts] | None:
    """Return (positives, negatives) of each group from the top; None where a corner was left out of the curve.

    The class totals are those at which all corners are whole numbers.
    """
    if len(points) != GROUPS + 1:
        return None
    steps = np.diff(np.array(points), axis=0)
    fits = [
        (np.abs(steps * [PUBLIC - p, p] - np.round(steps * [PUBLIC - p, p])).mean(), p) for p in range(5, PUBLIC - 4)
    ]
    total = min(fits)[1]
    whole = np.round(steps * [PUBLIC - total, total])
    return whole[:, 1], whole[:, 0]


def _solve(groups: Counts, positives: Counts, negatives: Counts) -> tuple[Counts, Counts] | None:
    """Return (public and malignant, public and benign) per case, 0 or 1, as close to the counts as there are."""
    n = groups.shape[1]
    equations = csr_array(block_diag([csr_array(groups), csr_array(groups)]))
    m = equations.shape[0]
    slack = identity(m)
    wanted = np.concatenate([positives, negatives])
    exact = LinearConstraint(hstack([equations, slack, -slack]).tocsr(), wanted, wanted)
    either = hstack([identity(n), identity(n), csr_array((n, 2 * m))]).tocsr()
    one_part = LinearConstraint(vstack([either]).tocsr(), 0, 1)
    costs = np.concatenate([np.zeros(2 * n), np.ones(2 * m)])
    upper = np.concatenate([np.ones(2 * n), np.full(2 * m, np.inf)])
    whole = np.concatenate([np.ones(2 * n), np.zeros(2 * m)])
    for integrality in (whole, np.zeros_like(whole)):  # the relaxation, where the whole takes too long
        found = milp(
            costs, constraints=[exact, one_part], bounds=Bounds(0, upper), integrality=integrality,
            options={"time_limit": SOLVE_S},
        )  # fmt: skip
        if found.x is not None:
            return found.x[:n], found.x[n : 2 * n]
    return None


def _guess(player: Participant, positive: Counts, negative: Counts, malignant: float) -> Guess:
    ranked = np.argsort(-(positive + negative))
    members = frozenset(player.ids[i] for i in ranked[:PUBLIC])
    if malignant < 0.4:
        return Guess({player.ids[i]: 1 for i in np.flatnonzero(positive > 0.5)}, members)
    return Guess(
        {player.ids[i]: int(positive[i] > negative[i]) for i in np.flatnonzero(positive + negative > 0.5)}, members
    )
