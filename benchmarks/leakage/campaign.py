"""Run every attack against a phase and judge what it found."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmarks.leakage.attacks import curves, digits, hash_guessing, membership, scores
from benchmarks.leakage.judging import Guess, Verdict, judge
from benchmarks.leakage.participant import Participant
from benchmarks.leakage.phases import TRIES, Arena, open_arena
from submissions.models import Dataset

Attack = Callable[..., list[Guess]]
ATTACKS: dict[str, Attack] = {
    "curve solving": curves.attack,
    "digits of the slope": digits.slope,
    "log-loss oracle": digits.log_loss,
    "AUC oracle, blocks": scores.blocks,
    "AUC oracle, single cases": scores.singles,
    "boosting": scores.boosting,
    "climbing the ladder": scores.climbing,
    "membership by order and hash": membership.attack,
}


@dataclass(frozen=True)
class Figures:
    """What an attack found, over its rounds. public, private: labels beyond the best constant guess, the mean.

    private_beyond, members_beyond: what lies outside of the band of chance, the largest of the rounds.
    """

    attack: str
    public: float
    private: float
    private_beyond: float
    members_beyond: float
    rounds: int


def play(attack: str, arenas: list[Arena], seed: int, *, tries: int = TRIES) -> Figures:
    """Let a new participant play an attack in each arena; of several guesses the luckiest counts."""
    verdicts = []
    for number, arena in enumerate(arenas):
        share = sum(arena.labels.values()) / len(arena.labels)
        rng = np.random.default_rng([seed, number])
        player = Participant(arena.phase)
        guesses = ATTACKS[attack](player, share, rng, tries=tries)
        assert player.spent <= tries
        verdicts.append(_luckiest([judge(arena, guess) for guess in guesses or [Guess()]]))
    return _figures(attack, verdicts)


def guess_the_hash(arenas: list[Arena], *, unsalted: bool = False) -> Figures:
    """Let a participant who knows the table but for 8 labels confirm guesses. unsalted: the hash of before."""
    verdicts = []
    for arena in arenas:
        dataset = Dataset.objects.get(pk=arena.phase.dataset_id)  # type: ignore[attr-defined]
        known, cases = copy.copy(dataset), list(dataset.cases.order_by("position"))
        if unsalted:
            Dataset.objects.filter(pk=dataset.pk).update(content_hash=hash_guessing.hash_as_before(dataset.kind, cases))
        # The rarer class first, so that each label found is one beyond the constant guess.
        commoner = int(2 * sum(arena.labels.values()) >= len(arena.labels))
        by_use = sorted(cases, key=lambda case: (case.split != "public", case.truth == commoner))
        cases_asked = by_use[: hash_guessing.UNKNOWN]
        guesses = hash_guessing.attack(Participant(arena.phase), known, cases, cases_asked)
        Dataset.objects.filter(pk=dataset.pk).update(content_hash=dataset.content_hash)
        verdicts.append(_luckiest([judge(arena, guess) for guess in guesses]))
    return _figures("hash guessing", verdicts)


def arenas(prefix: str, malignant: float, rounds: int, **how: bool) -> list[Arena]:
    return [open_arena(f"{prefix}-{number}", malignant, 100 + number, **how) for number in range(rounds)]


def _luckiest(verdicts: list[Verdict]) -> Verdict:
    return max(verdicts, key=lambda v: (v.members_beyond_chance, v.public + v.private_beyond_chance))


def _figures(attack: str, verdicts: list[Verdict]) -> Figures:
    return Figures(
        attack,
        public=fmean(verdict.public for verdict in verdicts),
        private=fmean(verdict.private for verdict in verdicts),
        private_beyond=max(verdict.private_beyond_chance for verdict in verdicts),
        members_beyond=max(verdict.members_beyond_chance for verdict in verdicts),
        rounds=len(verdicts),
    )


def rows(figures: list[Figures]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| attack | public labels (of 300) | private labels (of 700) | memberships beyond chance |"
    yield "| --- | --- | --- | --- |"
    for each in figures:
        yield (
            f"| {each.attack} | {max(0.0, each.public):.1f} | {each.private_beyond:.0f} | {each.members_beyond:.0f} |"
        )
