"""The board as anybody sees it, whoever asks: what other sites show must not depend on a session."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse

from leaderboard.boards import Board, board_of, visible_phase

# How long a frame or a badge may be kept by a cache.
MAX_AGE_S = 300


def open_board(name: str) -> Board:
    """Return the ranking board of a phase, named by slug or number, as a visitor sees it. Raises Http404."""
    nobody = AnonymousUser()
    return board_of(visible_phase(nobody, name), nobody)


def kept_for_a_while(response: HttpResponse) -> HttpResponse:
    """Let any cache keep the answer: it holds nothing of the reader's."""
    response["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    return response
