"""Judge a guess: labels right beyond the best constant guess, memberships right beyond chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from scipy.stats import norm

from benchmarks.leakage.phases import Arena

# How rarely chance alone may look like a find: the best of all guesses of an attack in a round.
FALSE_ALARM = 1e-5


@dataclass(frozen=True)
class Guess:
    """What an attack ends with. labels: by id, only where it departs from the commoner class. members: public ids."""

    labels: Mapping[str, int] = field(default_factory=dict)
    members: Set[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Verdict:
    """public, private: labels right beyond the best constant guess. members: public ids named beyond chance.

    private_band, members_band: what chance alone may reach.
    """

    public: int
    private: int
    private_band: float
    members: float
    members_band: float

    @property
    def private_beyond_chance(self) -> float:
        return max(0.0, self.private - self.private_band)

    @property
    def members_beyond_chance(self) -> float:
        return max(0.0, self.members - self.members_band)


def judge(arena: Arena, guess: Guess, *, of: int = 1) -> Verdict:
    """Return what a guess found. of: from how many guesses it may be the best (Bonferroni's bound)."""
    band_sd = float(norm.isf(FALSE_ALARM / of))
    private = [public_id for public_id in arena.labels if public_id not in arena.public]
    changed = sum(public_id in guess.labels for public_id in private)
    share = len(arena.public) / len(arena.labels)
    named = len(guess.members)
    spread = math.sqrt(named * share * (1 - share) * (len(arena.labels) - named) / (len(arena.labels) - 1))
    return Verdict(
        public=_beyond_constant(arena, list(arena.public), guess),
        private=_beyond_constant(arena, private, guess),
        private_band=band_sd * math.sqrt(changed),
        members=len(guess.members & arena.public) - named * share,
        members_band=band_sd * spread,
    )


def _beyond_constant(arena: Arena, ids: list[str], guess: Guess) -> int:
    """Return how many more labels are right than by naming every case of the commoner class."""
    malignant = sum(arena.labels[public_id] for public_id in ids)
    commoner = int(2 * sum(arena.labels.values()) >= len(arena.labels))
    right = sum(guess.labels.get(public_id, commoner) == arena.labels[public_id] for public_id in ids)
    return right - max(malignant, len(ids) - malignant)
