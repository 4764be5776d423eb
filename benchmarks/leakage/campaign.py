"""Run every attack against a phase and judge what it found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from benchmarks.leakage.attacks import curves, digits, hash_guessing, membership, scores
from benchmarks.leakage.judging import Guess, Verdict, judge
from benchmarks.leakage.participant import Participant, Seen, leaves
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


# What differs between any two entries, and says nothing of hidden cases.
PERSONAL = frozenset(
    ("id", "submission", "team", "user", "sha256", "file_sha256", "signature", "size_bytes", "created_at",
     "started_at", "finished_at", "submitted_at", "next_free_at", "seconds", "timings", "elapsed_s", "total_s", "at",
     "count")
)  # fmt: skip
ENVELOPE = frozenset(("record", "results"))


@dataclass(frozen=True)
class Figures:
    """What an attack found, over its rounds. public, private: labels beyond the best constant guess, the mean.

    private_beyond, members_beyond: what lies outside of the band of chance, the largest of the rounds.
    found: labels that were confirmed, right by construction.
    """

    attack: str
    public: float
    private: float
    private_beyond: float
    members_beyond: float
    rounds: int
    found: int = 0


def play(attack: str, arenas: list[Arena], seed: int, *, tries: int = TRIES) -> Figures:
    """Let a new participant play an attack in each arena; of several guesses the luckiest counts."""
    played = [play_once(attack, arena, seed + number, tries=tries) for number, arena in enumerate(arenas)]
    return _figures(attack, [verdict for verdict, _ in played])


def play_once(attack: str, arena: Arena, seed: int, *, tries: int = TRIES) -> tuple[Verdict, Guess]:
    share = sum(arena.labels.values()) / len(arena.labels)
    player = Participant(arena.phase)
    guesses = ATTACKS[attack](player, share, np.random.default_rng(seed), tries=tries) or [Guess()]
    assert player.spent <= tries
    judged = ((judge(arena, guess, of=len(guesses)), guess) for guess in guesses)
    return max(judged, key=lambda found: _luck(found[0]))


def guess_the_hash(arenas: list[Arena], *, unknown: int = hash_guessing.UNKNOWN, unsalted: bool = False) -> Figures:
    """Let a participant who knows the table but for a few labels confirm guesses. unsalted: the hash of before."""
    verdicts, found = [], 0
    for arena in arenas:
        dataset = Dataset.objects.get(pk=arena.phase.dataset_id)  # type: ignore[attr-defined]
        known, cases = copy.copy(dataset), list(dataset.cases.order_by("position"))
        if unsalted:
            Dataset.objects.filter(pk=dataset.pk).update(content_hash=hash_guessing.hash_as_before(dataset.kind, cases))
        # The rarer class first, so that each label found is one beyond the constant guess.
        commoner = int(2 * sum(arena.labels.values()) >= len(arena.labels))
        by_use = sorted(cases, key=lambda case: (case.split != "public", case.truth == commoner))
        cases_asked = by_use[:unknown]
        guesses = hash_guessing.attack(Participant(arena.phase), known, cases, cases_asked)
        Dataset.objects.filter(pk=dataset.pk).update(content_hash=dataset.content_hash)
        verdicts.append(max((judge(arena, guess, of=len(guesses)) for guess in guesses), key=_luck))
        found += sum(len(guess.labels) for guess in guesses)
    return replace(_figures("hash guessing", verdicts), found=found)


def differing_values(arena: Arena) -> set[tuple[str, ...]]:
    """Return where the answers to two participants differ who send opposite predictions, ids and times apart.

    The names of the JSON values, without numbers of rows; `board` for anything of a leaderboard, which lists both.
    """
    player = Participant(arena.phase)
    # Better than chance on purpose: an AUC near 0.5 and its opposite can be one number where few digits are shown.
    labels = np.array([arena.labels[public_id] for public_id in player.ids])
    good = np.linspace(0.1, 0.8, len(labels)) + 0.15 * labels
    seen = [dict(_facts(Participant(arena.phase).submit(values))) for values in (good, 1 - good)]
    return {name for name in seen[0].keys() | seen[1].keys() if seen[0].get(name) != seen[1].get(name)}


def _facts(seen: Seen) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (name, value) of what the pages say of a try itself."""
    found: dict[tuple[str, ...], list[str]] = {}
    for address, text in seen.documents.items():
        if "leaderboard" in address or text[:1] != "{":
            continue
        for path, value in leaves(json.loads(text)):
            name = tuple(part for part in path if not part.isdigit() and part not in ENVELOPE)
            if not set(name) & PERSONAL:
                name = name[:3] if name[:1] == ("scores",) else name
                found.setdefault(name, []).append(repr(value))
    yield from ((name, " ".join(values)) for name, values in found.items())


def arenas(prefix: str, malignant: float, rounds: int, **how: bool) -> list[Arena]:
    return [open_arena(f"{prefix}-{number}", malignant, 100 + number, **how) for number in range(rounds)]


def _luck(verdict: Verdict) -> tuple[float, float]:
    return verdict.members_beyond_chance, verdict.public + verdict.private_beyond_chance


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
