"""Learn from the score that ranks: random votes (Blum, Hardt 2015), and the AUC of chosen cases (Whitehill 2016).

A competition shows a score only when it is a new best, so both take what is not shown for what it says: no better.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.leakage.judging import Guess
from benchmarks.leakage.participant import Participant
from benchmarks.leakage.phases import PUBLIC, TRIES

Floats = NDArray[np.float64]
STEP = 0.01
# By how much a direction that helped moves the chance of a case, about: the area's spread at 300 cases.
SHIFT = 0.03


def boosting(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """Send random votes, and let each count by how far its score lies from chance."""
    votes = rng.choice([-1.0, 1.0], (tries, len(player.ids)))
    best, total = 0.5, np.zeros(len(player.ids))
    for vote in votes:
        shown = player.submit(0.5 + 0.25 * vote).number("auc")
        if shown is None:  # between anything and a step above the best: on average below chance
            weight = _mean_below(best + STEP) - 0.5
        else:
            weight, best = shown - 0.5, max(best, shown)
        total += weight * vote
    return [_from_evidence(player, total * _scale(malignant), malignant)]


def climbing(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """Keep the best file and add a random direction; where that is no better, its opposite is the better bet.

    This plays the ladder as it wants to be played: each new best is shown, so each direction that helps is learnt.
    """
    held, best = np.zeros(len(player.ids)), 0.5
    for _ in range(tries):
        vote = rng.choice([-1.0, 1.0], len(player.ids))
        shown = player.submit(_as_probabilities(held + vote)).number("auc")
        if shown is not None and shown > best:
            held, best = held + vote, shown
        else:
            held = held - 0.5 * vote
    return [_from_evidence(player, held * SHIFT * _scale(malignant), malignant)]


def blocks(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """Put a block of cases above all others: its score tells how many of them are public and malignant.

    A block that scored well is kept on top and the next is put above it; one that did not is put at the bottom.
    """
    n = len(player.ids)
    order = rng.permutation(n)
    size = n // tries
    evidence, best = np.zeros(n), 0.5
    levels = np.zeros(n)
    for number in range(tries):
        block = order[number * size : (number + 1) * size]
        asked = levels.copy()
        asked[block] += 1.0
        shown = player.submit(_as_probabilities(asked)).number("auc")
        gain = shown - best if shown is not None else _mean_below(best + STEP) - best
        levels[block] = 1.0 if gain > 0 else -1.0
        best = max(best, shown or 0.0)
        # A block of which d more are malignant than benign moves the area by about d / PUBLIC.
        excess = gain * 2 * PUBLIC * 2 * malignant * (1 - malignant)
        evidence[block] = excess / (size * PUBLIC / n)
    return [_from_evidence(player, evidence, malignant)]


def singles(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """Look for malignant cases one group at a time: where they are few, one of them moves the area by a step.

    A group that lifted the area is halved until single cases are left (group testing).
    """
    n = len(player.ids)
    waiting = [list(part) for part in np.array_split(rng.permutation(n), max(2, tries))]
    top: list[int] = []
    found: list[int] = []
    best = 0.5
    for _ in range(tries):
        if not waiting:
            break
        group = waiting.pop()
        asked = np.zeros(n)
        asked[top] = 1.0
        asked[group] = 2.0
        shown = player.submit(_as_probabilities(asked)).number("auc")
        if shown is None or shown <= best:
            continue
        best = shown
        top += group
        if len(group) == 1:
            found += group
        else:
            waiting += [group[: len(group) // 2], group[len(group) // 2 :]]
    return [Guess({player.ids[i]: 1 for i in found})]


def _as_probabilities(values: Floats) -> Floats:
    low, high = values.min(), values.max()
    return np.full(len(values), 0.5) if high == low else 0.05 + 0.9 * (values - low) / (high - low)


def _mean_below(bound: float) -> float:
    """Return the mean of an area by chance that is known to lie below a bound; 300 cases, both classes alike."""
    spread = math.sqrt((PUBLIC + 1) / (3 * PUBLIC**2))
    z = (bound - 0.5) / spread
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return 0.5 - spread * density / (0.5 * (1 + math.erf(z / math.sqrt(2))))


def _scale(malignant: float) -> float:
    """Return what turns a sum of (area - 1/2) * vote into the change of a case's chance to be malignant."""
    return 4 * malignant * (1 - malignant)


def _from_evidence(player: Participant, evidence: Floats, malignant: float) -> Guess:
    """Guess what is likelier of each case: where malignant ones are few, only strong evidence departs from benign.

    evidence: the change of each case's chance to be malignant.
    """
    if 0.4 < malignant < 0.6:
        return Guess({player.ids[i]: int(evidence[i] > 0) for i in np.flatnonzero(evidence)})
    return Guess({player.ids[i]: 1 for i in np.flatnonzero(malignant + evidence > 0.5)})
