"""Frame, badge and citation of a board. No view here reads the session, so no answer sets or varies by a cookie."""

from __future__ import annotations

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from leaderboard.sharing.badge import badge_of
from leaderboard.sharing.boards import kept_for_a_while, open_board
from leaderboard.sharing.citation import citation_cff
from leaderboard.standings import page_of, team_on_board
from lunasite.http.limits.dear_work import paced_without_session

EMBEDDED_ROWS = 10


@require_safe
@paced_without_session
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"], "form-action": ["'none'"], "connect-src": ["'none'"]})  # type: ignore[arg-type]
def embed(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the top of a board for a frame in any other site; its links open outside the frame."""
    board = open_board(slug)
    page = page_of(board, 1, None, size=EMBEDDED_ROWS)
    shown = {"board": board, "phase": board.phase, "page": page, "SITE_URL": settings.SITE_URL}
    return kept_for_a_while(HttpResponse(render_to_string("leaderboard/embed.html", shown)))


@require_safe
@paced_without_session
@csp_replace({"default-src": ["'none'"], "script-src": ["'none'"], "style-src": ["'none'"], "img-src": ["'none'"]})  # type: ignore[arg-type]
def badge(request: HttpRequest, slug: str, team: str) -> HttpResponse:
    """Draw a team's rank as an SVG. team: number or name of a team on the board."""
    board = open_board(slug)
    found = team_on_board(board, team)
    if found is None:
        raise Http404("There is no such team on this leaderboard.")
    drawn = render_to_string("leaderboard/badge.svg", {"badge": badge_of(board, found)})
    return kept_for_a_while(HttpResponse(drawn, content_type="image/svg+xml"))


@require_safe
@paced_without_session
def citation(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the CITATION.cff of a phase's final board; 404 before the end, when there is nothing final to cite."""
    board = open_board(slug)
    if not board.has_ended:
        raise Http404("The phase has not ended; its board still changes.")
    address = settings.SITE_URL + reverse("leaderboard", args=[board.phase.slug])
    response = HttpResponse(citation_cff(board, address), content_type="text/yaml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="CITATION.cff"'
    return kept_for_a_while(response)
