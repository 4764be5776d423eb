"""Read the rows of a board; the number of queries does not depend on its size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from leaderboard.boards import Board
from leaderboard.comparison.rank_ranges import RankRanges, rank_ranges_of
from leaderboard.listing.row_facts import earlier_ranks, medal_of, with_facts
from leaderboard.listing.search import MAX_ARRANGED, Arrangement, arranged
from leaderboard.models import SHOWN, BoardEntry, Standing
from leaderboard.ranking import ENTRY_ORDER, LIGHT, RankedEntry, ranked
from submissions.models import Evaluation, Split, Team
from submissions.scoring import preferred_interval
from submissions.scoring.pairs import RankInterval

PAGE_ROWS = 50
# What a team says of the method of an entry.
METHOD_FIELDS = ("model_name", "model_version", "code_url", "paper_url")
RANKED_ORDER = Arrangement()


@dataclass(frozen=True)
class BoardRow:
    """One row of the board. Every number is rounded as the phase shows it.

    ranks: the ranks it could have, where they are shown. is_small: the split has under ten cases of some class.
    n_entries, last_at: of its team in the phase. medal, earlier_rank: on a final board; the rank by the public cases.
    """

    rank: int | None
    team: str
    team_id: int
    submission: str
    score: float | None
    low: float | None
    high: float | None
    metrics: dict[str, float]
    submitted_at: datetime
    is_baseline: bool
    is_own: bool
    seconds_per_case: float | None = None
    ranks: RankInterval | None = None
    is_small: bool = False
    model_name: str = ""
    model_version: str = ""
    code_url: str = ""
    paper_url: str = ""
    n_entries: int = 1
    last_at: datetime | None = None
    medal: str = ""
    earlier_rank: int | None = None

    @property
    def model(self) -> str:
        return f"{self.model_name} {self.model_version}".strip()

    @property
    def climbed(self) -> int | None:
        """How many ranks the team gained at the end; negative where it lost some."""
        return None if self.rank is None or self.earlier_rank is None else self.earlier_rank - self.rank

    @property
    def fell(self) -> int:
        """How many ranks the team lost at the end."""
        return max(0, -(self.climbed or 0))


@dataclass(frozen=True)
class Page:
    """One page of a board's rows. number counts from 1. ranges: None where none are shown, or none yet.

    cells: by submission, the cells of a row as written for all whose team it is not; filled as they are written.
    """

    rows: list[BoardRow]
    number: int
    n_pages: int
    n_entries: int
    ranges: RankRanges | None = None
    cells: dict[str, str] = field(default_factory=dict)

    @property
    def is_small(self) -> bool:
        return any(row.is_small for row in self.rows)

    def seen_by(self, own: Team | None) -> Page:
        """Return the page with the rows of the reader's team marked."""
        if own is None:
            return self
        rows = [replace(row, is_own=True) if row.team_id == own.pk else row for row in self.rows]
        return replace(self, rows=rows)


def page_of(
    board: Board, number: int, own: Team | None, *, size: int = PAGE_ROWS, wanted: Arrangement = RANKED_ORDER
) -> Page:
    """Return a page of a board; a number after the last page gives the last page."""
    n_entries = count_of(board)
    listed = None
    if not wanted.is_plain and n_entries <= MAX_ARRANGED:
        listed = arranged(board, ranked(_entries(board).order_by().values_list(*LIGHT)), wanted)
        n_entries = len(listed)
    n_pages = max(1, math.ceil(n_entries / size))
    number = min(max(number, 1), n_pages)
    start = (number - 1) * size
    found = _ranked_slice(board, start, size) if listed is None else listed[start : start + size]
    ranges = rank_ranges_of(board)
    return Page(rows_of(board, found, own, ranges), number, n_pages, n_entries, ranges)


def count_of(board: Board) -> int:
    """Return the number of entries of a board."""
    return board.summary.n_entries if board.is_ranking else _entries(board).count()


def all_rows(board: Board, own: Team | None, most: int) -> list[BoardRow]:
    """Return the board from its top, at most `most` rows."""
    return rows_of(board, _ranked_slice(board, 0, most), own, rank_ranges_of(board))


def own_rank(board: Board, own: Team | None) -> int | None:
    """Return the rank of a team's best entry on the ranking board, or None."""
    if own is None or not board.is_ranking:
        return None
    mine = _entries(board).filter(team=own, is_baseline=False).values("sort_key")[:1]
    higher = _entries(board).filter(sort_key__gt=Subquery(mine), is_baseline=False).order_by().values("phase")
    above = Coalesce(Subquery(higher.annotate(n=Count("pk")).values("n")), 0)
    rows = list(_entries(board).filter(sort_key=Subquery(mine)).order_by().values_list(*LIGHT, above))
    found = ranked((row[:-1] for row in rows), rows[0][-1] if rows else 0)
    return next((place.rank for place in found if _team_of(place) == own.pk), None)


def shown_rank(board: Board, page: Page) -> int | None:
    """Return the rank of the reader's team where the page shows it: then nothing has to be asked for it."""
    return next((row.rank for row in page.rows if row.is_own and row.rank), None) if board.is_ranking else None


def _team_of(place: RankedEntry) -> int | None:
    identity = place.contender.identity
    return None if place.contender.is_baseline or not isinstance(identity, tuple) else identity[1]


# Selecting and sorting the entries: small rows only.


def _entries(board: Board) -> QuerySet[Standing] | QuerySet[BoardEntry]:
    """Return the board's rows: standings for the ranking board, board entries for all others."""
    best = Standing.objects.filter(phase=board.phase, split=board.rows_split)
    if board.is_ranking:
        return best
    entries = entries_of(board)
    return entries if board.every_entry else entries.filter(evaluation__in=best.values("evaluation"))


def entries_of(board: Board) -> QuerySet[BoardEntry]:
    """Return every board entry of the phase for the board's metric and split; hidden submissions have none."""
    return BoardEntry.objects.filter(phase=board.phase, split=board.rows_split, metric=board.metric.name)


def team_on_board(board: Board, text: str) -> Team | None:
    """Return the team with that number, or else with that name, if it has an entry on the board.

    Numbers take precedence, so that a team whose name is a number cannot replace another team in a link.
    """
    teams = Team.objects.filter(pk__in=entries_of(board).values("team"))
    by_number = teams.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 10 else None
    return by_number or (teams.filter(name=text).first() if text and "\0" not in text else None)


def _ranked_slice(board: Board, start: int, count: int) -> list[RankedEntry]:
    """Return a slice of the board.

    The index sorts by score only. A tie that crosses an end of the slice is read completely, because further metrics
    decide its order, and its length decides the ranks after it.
    """
    entries = _entries(board)
    ordered = entries.order_by(*ENTRY_ORDER)
    rows = {row[0]: row for row in ordered.values_list(*LIGHT)[start : start + count]}
    if not rows:
        return []
    highest, lowest = (list(rows.values())[end][2] for end in (0, -1))
    cut = {highest} if start else set()
    cut |= {lowest} if board.tie_breaks else set()
    if cut:
        tied = entries.filter(sort_key__in=cut).order_by().values_list(*LIGHT)
        rows |= {row[0]: row for row in tied}
    above, better = _above(board, highest) if start else (0, 0)
    return ranked(rows.values(), better)[start - above : start - above + count]


def _above(board: Board, key: float) -> tuple[int, int]:
    """Return how many entries, and how many ranked entries, have a higher score."""
    higher = _entries(board).filter(sort_key__gt=key)
    found = higher.aggregate(all=Count("pk"), ranked=Count("pk", filter=Q(is_baseline=False)))
    return found["all"], found["ranked"]


# Loading the rows to show: large, but few.


def rows_of(
    board: Board, found: Sequence[RankedEntry], own: Team | None, ranges: RankRanges | None = None
) -> list[BoardRow]:
    """Return the rows to show for ranked entries; the number of queries does not depend on theirs."""
    wanted = [place.contender.identity[0] for place in found if isinstance(place.contender.identity, tuple)]
    rows = load_rows(wanted, board)
    # An entry removed since it was ranked is left out.
    kept = [(place.rank, rows[key]) for place, key in zip(found, wanted, strict=True) if key in rows]
    by_evaluation = ranges.by_evaluation if ranges else {}
    earlier = earlier_ranks(board) if kept else {}
    return [row_of(board, rank, row, own, by_evaluation.get(row["id"]), earlier) for rank, row in kept]


def load_rows(evaluations: Sequence[int], board: Board | None = None) -> dict[int, dict[str, Any]]:
    """Return what rows show of these evaluations, by their number. board: also how often their teams sent to it."""
    fields = (
        "id",
        "scores",
        "shown_score",
        "timings",
        "submission_id",
        "submission__created_at",
        "submission__is_baseline",
        *(f"submission__{name}" for name in METHOD_FIELDS),
    )
    named = (*fields, "submission__team_id", "submission__team__name")
    rows = Evaluation.objects.filter(pk__in=evaluations)
    if board is None:
        return {row["id"]: row for row in rows.values(*named)}
    return {row["id"]: row for row in with_facts(board, rows).values(*named, "n_entries", "last_at")}


def row_of(
    board: Board,
    rank: int | None,
    row: dict[str, Any],
    own: Team | None = None,
    ranks: RankInterval | None = None,
    earlier: Mapping[int, int] | None = None,
) -> BoardRow:
    """Return one row to show. row: of `load_rows`."""
    team, is_baseline = row["submission__team_id"], row["submission__is_baseline"]
    scores = shown_scores(board, row)
    low, high = preferred_interval(scores, board.metric.name) or (None, None)
    return BoardRow(
        rank=rank,
        team=row["submission__team__name"],
        team_id=team,
        submission=str(row["submission_id"]),
        score=scores.get(board.metric.name),
        low=low,
        high=high,
        metrics={name: scores[name] for name in board.phase.kind.metrics if name in scores},
        submitted_at=row["submission__created_at"],
        is_baseline=is_baseline,
        is_own=own is not None and own.pk == team,
        seconds_per_case=board.view.latency_s(row["timings"]),
        ranks=ranks,
        is_small=bool(scores.get("is_small")),
        **{name: row[f"submission__{name}"] for name in METHOD_FIELDS},
        n_entries=row.get("n_entries") or 1,
        last_at=row.get("last_at") or row["submission__created_at"],
        medal=medal_of(board, rank),
        earlier_rank=None if is_baseline else (earlier or {}).get(team),
    )


def shown_scores(board: Board, row: dict[str, Any]) -> dict[str, Any]:
    """Return what the board's reader may see of an evaluation's scores on the board's split.

    row: with the evaluation's `scores` and `shown_score`.
    """
    split = str(Split.PUBLIC) if board.split == SHOWN else board.split
    # Rounding every interval of both splits, of which a board shows one, took a tenth of a page's time.
    shown = f"{board.metric.name}_ci"
    kept = {name: value for name, value in row["scores"].get(split, {}).items() if name == shown or name[-3:] != "_ci"}
    scores: dict[str, Any] = board.view.scores({split: kept}, row["shown_score"]).get(split, {})
    return scores
