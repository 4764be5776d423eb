"""Places on a board. PURE: values in, places out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from submissions.scoring import MISSING

Keys = tuple[float, ...]


# The order of a board's rows before tie-breaks: best first, of equals the earlier, then the one stored first.
ENTRY_ORDER = ("-sort_key", "submitted_at", "evaluation_id")


@dataclass(frozen=True)
class RankInput:
    """What decides a place. keys: ranking score, then tie-breaks, each turned so that higher is better.

    A ranking score of -inf is missing. since: of equals the earlier is listed first, on the same place.
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
    """A contender's row. rank is None for baselines and missing scores."""

    rank: int | None
    contender: RankInput


def rank_entries(contenders: Sequence[RankInput], *, better: int = 0) -> list[RankedEntry]:
    """Return the contenders best first, placed 1, 2, 2, 4; baselines stand among them without a rank.

    better: how many ranked contenders, not given here, are above all of these.
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


def _order(contender: RankInput) -> tuple[bool, Keys, float, Any]:
    falling = tuple(-key for key in contender.keys)
    return (contender.is_missing, falling, contender.since, contender.identity)
