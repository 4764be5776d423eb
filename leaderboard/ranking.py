"""Compute the ranks of a board. Framework-free: values in, ranks out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from submissions.scoring import MISSING

Keys = tuple[float, ...]


# The order of a board's rows before tie-breaks: best score first, then the earlier entry, then the one stored first.
ENTRY_ORDER = ("-sort_key", "submitted_at", "evaluation_id")


@dataclass(frozen=True)
class RankInput:
    """The values that decide a rank. keys: ranking score, then tie-breaks, with signs such that higher is better.

    A ranking score of -inf means missing. since: time of the entry; of two equal entries, the earlier is listed first,
    with the same rank.
    """

    identity: Any
    keys: Keys
    since: float
    is_baseline: bool = False

    @property
    def is_missing(self) -> bool:
        return not self.keys or self.keys[0] == MISSING


@dataclass(frozen=True)
class RankedEntry:
    """A contender with its rank; the rank is None for baselines and missing scores."""

    rank: int | None
    contender: RankInput


def rank_entries(contenders: Sequence[RankInput], *, better: int = 0) -> list[RankedEntry]:
    """Return the contenders, best first, ranked 1, 2, 2, 4; baselines are listed among them without a rank.

    better: number of ranked contenders, not in the list, that are better than all of these.
    """
    listed = sorted(contenders, key=_order)
    found: list[RankedEntry] = []
    n_ranked, last = better, RankedEntry(None, RankInput(None, (), 0))
    for contender in listed:
        if contender.is_baseline or contender.is_missing:
            found.append(RankedEntry(None, contender))
            continue
        n_ranked += 1
        is_tie = last.rank is not None and last.contender.keys == contender.keys
        last = RankedEntry(last.rank if is_tie else n_ranked, contender)
        found.append(last)
    return found


# The columns of a board's rows that `ranked` reads.
LIGHT = ("evaluation_id", "team_id", "sort_key", "tie_keys", "submitted_at", "is_baseline")


def ranked(rows: Iterable[tuple[Any, ...]], better: int = 0) -> list[RankedEntry]:
    """Return rows of LIGHT ranked; the identity of each is (evaluation, team)."""
    contenders = [
        RankInput((evaluation, team), (key, *_ties(ties)), since.timestamp(), is_baseline)
        for evaluation, team, key, ties, since, is_baseline in rows
    ]
    return rank_entries(contenders, better=better)


def _ties(keys: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(MISSING if key is None else key for key in keys)


def _order(contender: RankInput) -> tuple[bool, Keys, float, Any]:
    falling = tuple(-key for key in contender.keys)
    return (contender.is_missing, falling, contender.since, contender.identity)
