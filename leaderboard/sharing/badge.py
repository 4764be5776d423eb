"""The badge of a team: the phase and the team's rank, drawn without a font of our own."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.boards import Board
from leaderboard.models import Standing
from leaderboard.standings import own_rank
from submissions.models import Team

# Width of an average character of an 11 px sans-serif; the SVG stretches the text to it.
CHARACTER_PX = 6.4
MARGIN_PX = 8
MAX_TITLE = 40


@dataclass(frozen=True)
class Badge:
    """Texts and widths in px of the two halves of a badge."""

    title: str
    value: str

    @property
    def title_px(self) -> int:
        return _text_px(self.title) + 2 * MARGIN_PX

    @property
    def value_px(self) -> int:
        return _text_px(self.value) + 2 * MARGIN_PX

    @property
    def width(self) -> int:
        return self.title_px + self.value_px

    @property
    def texts(self) -> list[tuple[float, int, str]]:
        """The middle and the width of each text, and the text."""
        return [
            (self.title_px / 2, _text_px(self.title), self.title),
            (self.title_px + self.value_px / 2, _text_px(self.value), self.value),
        ]


def badge_of(board: Board, team: Team) -> Badge:
    """Return the badge of a team that has an entry on the board."""
    rank = own_rank(board, team)
    ranked = Standing.objects.filter(phase=board.phase, split=board.rows_split, is_baseline=False).count()
    title = board.phase.title
    short = title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"
    return Badge(short, f"rank {rank} of {ranked}" if rank else "no rank yet")


def _text_px(text: str) -> int:
    return round(len(text) * CHARACTER_PX)
