"""Read chosen cases out of the digits of numbers without bounds: the slope, and the log loss (Whitehill 2017).

Of each case of a block there are three possibilities: private (it adds nothing), public and malignant, public and
benign. Scores are chosen so that every combination gives another number.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.leakage.judging import Guess
from benchmarks.leakage.participant import Participant, Seen
from benchmarks.leakage.phases import PUBLIC, TRIES

SLOPE_BLOCK = 11
SLOPE_TOLERANCE = 1e-8
LOSS_BLOCK = 22
LOSS_TOLERANCE = 1e-12
PRIVATE = None


def slope(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """At the fit the sum of x (y - fitted) is zero: one combination of the block fulfils that to the last digit."""
    # Small, of both signs: the fit then saturates nowhere, and no case leaves the sum untouched.
    logits = 0.5 * 1.5 ** -np.arange(SLOPE_BLOCK) * np.where(np.arange(SLOPE_BLOCK) % 2, -1, 1)
    outcomes = np.array(list(itertools.product((0, 1, 2), repeat=SLOPE_BLOCK)), dtype=np.int8)
    share = PUBLIC / len(player.ids)
    likely = np.log([1 - share, share * malignant, share * (1 - malignant)])[outcomes].sum(axis=1)
    known: dict[str, int | None] = {}
    order = rng.permutation(len(player.ids))
    for number in range(tries):
        block = order[number * SLOPE_BLOCK : (number + 1) * SLOPE_BLOCK]
        values = np.full(len(player.ids), 0.5)
        values[block] = 1 / (1 + np.exp(-logits))
        seen = player.submit(values)
        line = seen.number("calibration_slope"), seen.number("calibration_intercept")
        if line[0] is None or line[1] is None:
            continue
        sent = values[block]
        x = np.log(sent) - np.log1p(-sent)
        fitted = 1 / (1 + np.exp(-(line[1] + line[0] * x)))
        terms = np.stack([np.zeros_like(x), x * (1 - fitted), -x * fitted])
        sums = np.abs(terms[outcomes, np.arange(SLOPE_BLOCK)].sum(axis=1))
        sums[0] = np.inf  # without a public case in the block there would be no slope
        fits = np.flatnonzero(sums < SLOPE_TOLERANCE)
        best = outcomes[fits[np.argmax(likely[fits])] if len(fits) else np.argmin(sums)]
        known |= {player.ids[i]: (PRIVATE, 1, 0)[which] for i, which in zip(block, best, strict=True)}
    return [_guess(known, malignant)]


def log_loss(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """The log loss is a sum over the cases: with differences in powers of three, a number written in base three."""
    known: dict[str, int | None] = {}
    order = rng.permutation(len(player.ids))
    for number in range(tries):
        block = order[number * LOSS_BLOCK : (number + 1) * LOSS_BLOCK]
        values = np.full(len(player.ids), 0.5)
        # A little more than three, because the logarithm is not straight: few sums can be written in two ways.
        values[block] = 0.5 + 0.35 * 3.2 ** -np.arange(len(block))
        found = _digits_of_loss(player.submit(values), values[block])
        known |= {player.ids[i]: which for i, which in zip(block, found, strict=False)}
    return [_guess(known, malignant)]


def _digits_of_loss(seen: Seen, p: NDArray[np.float64]) -> list[int | None]:
    """Return the outcomes whose sum is the loss that was seen: digit by digit, those from which it is in reach."""
    loss = seen.number("log_loss")
    if loss is None:
        return []
    terms = [{PRIVATE: 0.0, 1: -math.log(2 * value), 0: -math.log(2 * (1 - value))} for value in p]
    # What the digits after each one add at least and at most.
    least, most = ([*np.cumsum([pick(term.values()) for term in terms[::-1]])[::-1][1:], 0.0] for pick in (min, max))
    reached: list[tuple[float, list[int | None]]] = [(PUBLIC * (loss - math.log(2)), [])]
    for term, low, high in zip(terms, least, most, strict=True):
        reached = [
            (left - value, [*found, outcome])
            for left, found in reached
            for outcome, value in term.items()
            if low - LOSS_TOLERANCE <= left - value <= high + LOSS_TOLERANCE
        ]
    return min(reached, key=lambda each: abs(each[0]), default=(0.0, []))[1]


def _guess(known: dict[str, int | None], malignant: float) -> Guess:
    members = frozenset(public_id for public_id, which in known.items() if which is not PRIVATE)
    return Guess({public_id: which for public_id, which in known.items() if which is not None}, members)
