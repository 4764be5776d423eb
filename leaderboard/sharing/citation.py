"""How to cite the final board of a phase: one sentence, and a CITATION.cff (Citation File Format 1.2.0)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from leaderboard.boards import Board
from leaderboard.export import MAX_ROWS
from leaderboard.standings import all_rows
from lunasite.http.files.csv_export import as_csv

FORMAT = "1.2.0"


@dataclass(frozen=True)
class Citation:
    """authors, title, year and address of a final board."""

    authors: str
    title: str
    year: int
    address: str

    @property
    def sentence(self) -> str:
        return f"{self.authors}. {self.title}. lunasite, {self.year}. {self.address}"


def citation_of(board: Board, address: str) -> Citation | None:
    """Return how to cite a board; None before the end, while it still changes. address: the board's URL."""
    phase = board.phase
    if not board.has_ended or phase.closes_at is None:
        return None
    challenge = phase.challenge.title
    # "Final" alone says nothing; a challenge made with its only phase has its name already.
    name = phase.title if challenge in phase.title else f"{challenge}, {phase.title}"
    return Citation(f"Organisers of {challenge}", f"{name}: final leaderboard", phase.closes_at.year, address)


def citation_cff(board: Board, address: str) -> str:
    """Return the CITATION.cff of a final board, with the checksum of its rows. Raises ValueError before the end."""
    cited, closed_at = citation_of(board, address), board.phase.closes_at
    if cited is None or closed_at is None:
        raise ValueError("The board still changes.")
    # A JSON string is a YAML string in double quotes: nothing that a title holds ends it.
    text = {name: json.dumps(value, ensure_ascii=False) for name, value in vars(cited).items()}
    return f"""\
cff-version: {FORMAT}
message: "If you use these results, please cite them as below."
type: dataset
title: {text["title"]}
authors:
  - name: {text["authors"]}
date-released: {closed_at:%Y-%m-%d}
url: {text["address"]}
version: {json.dumps(f"data {board.phase.dataset.version}")}
identifiers:
  - type: other
    value: "sha256:{board_digest(board)}"
    description: "SHA-256 of the ranks: CSV of rank, submission, {board.metric.name}"
keywords:
  - leaderboard
  - chest CT
"""


def board_digest(board: Board) -> str:
    """Return the SHA-256 of the board's ranks, so that a reader can check that they are the ones cited.

    It is that of the CSV with the columns rank, submission, score, as the board's own CSV writes them. A team may take
    another name, or be closed, and the ranks stay those that were cited.
    """
    rows = all_rows(board, None, MAX_ROWS)
    ranks = as_csv(["rank", "submission", "score"], ([row.rank, row.submission, row.score] for row in rows))
    return hashlib.sha256(ranks.encode()).hexdigest()
