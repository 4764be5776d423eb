"""The pages of the boards. Each view parses the request, runs one query function and renders a template."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from leaderboard.boards import Board, board_of, visible_phase, visible_phases
from leaderboard.charts import history_chart, round_ticks
from leaderboard.columns import chosen_columns, column_choices, page_columns
from leaderboard.comparison import MAX_CHOICES, NotComparable, comparable, remembered_comparison
from leaderboard.export import MAX_ROWS, whole_board_csv
from leaderboard.history import history
from leaderboard.listing.row_facts import is_final, last_change
from leaderboard.listing.search import MAX_ARRANGED, Arrangement, arrangement_of
from leaderboard.sharing.citation import citation_of
from leaderboard.standings import BoardRow, Page, own_rank, page_of, shown_rank, team_on_board
from lunasite.http.errors import ApiError, busy_page
from lunasite.http.limits.dear_work import caller_of, count_call, dear_page, paced
from lunasite.http.page_cache.parts import kept_part
from lunasite.http.page_cache.views import kept_for_visitors
from submissions.models import Evaluation, Phase, Split, Team
from submissions.models.access import may
from submissions.models.team import team_of
from submissions.phases.next_change import next_change

NOT_YET = (
    "Entries are compared on every metric, so this opens when the phase has ended. Until then the board compares them."
)


@require_GET
@kept_for_visitors(next_change)
def boards(request: HttpRequest) -> HttpResponse:
    """Show every board that the visitor may see."""
    ranked = Q(standings__split=Split.PUBLIC, standings__is_baseline=False)
    phases = (
        Phase.objects.boards_visible_to(request.user)
        .select_related("dataset")
        .annotate(n_teams=Count("standings", filter=ranked))
    )
    return render(request, "leaderboard/boards.html", {"phases": phases, "now": timezone.now()})


# Both headers decide between the table alone and the whole page.
@require_GET
@kept_for_visitors(next_change)
@vary_on_headers("HX-Request", "HX-History-Restore-Request")
@dear_page
def board(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a page of a board."""
    phase, phases = visible_phases(request.user, slug)
    chosen = _asked_board(request, phase)
    own = team_of(request.user)
    wanted = _asked_arrangement(request)
    if not wanted.is_plain:  # then every entry is ranked for one page
        count_call("pages", caller_of(request))
    columns = chosen_columns(chosen, request.GET.getlist("columns") if "columns" in request.GET else None)
    listed, updated_at = _listed(request, chosen, wanted, columns)
    page = listed.seen_by(own)
    own_place = shown_rank(chosen, page) or own_rank(chosen, own)
    shown = {
        "board": chosen,
        "phase": chosen.phase,
        "challenge_phases": phases,
        "page": page,
        "scale": scale_of(page.rows),
        "columns": page_columns(chosen, page.rows, columns),
        "choices": column_choices(chosen, columns),
        "wanted": wanted,
        "is_too_long": not wanted.is_plain and page.n_entries > MAX_ARRANGED,
        "updated_at": updated_at,
        "is_final": is_final(chosen),
        "citation": citation_of(chosen, settings.SITE_URL + reverse("leaderboard", args=[chosen.phase.slug])),
        "own": own if own and own_place else None,
        "sort_query": _query(request, "page", "sort", "metric"),
        "own_rank": own_place,
        "most_rows": MAX_ROWS,
        "history_url": reverse("leaderboard_history", args=[chosen.phase.slug]),
        "query": _query(request, "page"),
        "is_open": chosen.phase.is_open(chosen.now),
    }
    return render(request, _template(request), shown)


def asked_board_page(request: HttpRequest) -> HttpResponse:
    """Show the board of the phase named by a parameter (`phase` or `dataset_id`, as in the API), or all boards."""
    named = request.GET.get("phase") or request.GET.get("dataset_id")
    return board(request, named) if named else boards(request)


def _listed(
    request: HttpRequest, chosen: Board, wanted: Arrangement, columns: set[str]
) -> tuple[Page, datetime | None]:
    """Return the asked page with nobody's rows marked, and when the board changed last.

    columns: which the cells of the rows are written for.
    """
    number = _page_number(request)
    of_board = (chosen.phase.pk, chosen.metric.name, chosen.split, chosen.every_entry)
    key = ("board", *of_board, number, wanted, frozenset(columns))

    def made() -> tuple[Page, datetime | None]:
        return page_of(chosen, number, None, wanted=wanted), last_change(chosen)

    return kept_part(request.user, key, next_change, made)


def _template(request: HttpRequest) -> str:
    """Return the template of the table for htmx requests, the whole page for all others."""
    htmx = request.htmx  # type: ignore[attr-defined]
    is_part = htmx and not htmx.history_restore_request
    return "leaderboard/_board.html" if is_part else "leaderboard/board.html"


@require_GET
@dear_page
def board_export(request: HttpRequest, slug: str) -> HttpResponse:
    """Download the whole board as CSV."""
    chosen = _asked_board(request, visible_phase(request.user, slug))
    return whole_board_csv(chosen, caller=caller_of(request))


@require_GET
@kept_for_visitors(next_change)
@paced
def board_history(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a team's entries over time; without `team`, the entries that led."""
    chosen = _asked_board(request, visible_phase(request.user, slug))
    team = _asked_team(request, chosen)
    moments = history(chosen, team)
    shown = {
        "board": chosen,
        "phase": chosen.phase,
        "team": team,
        "own": _own_on_board(request, chosen),
        "moments": moments[::-1],
        "chart": history_chart(moments),
    }
    return render(request, "leaderboard/history.html", shown)


@login_required
@require_GET
def board_comparison(request: HttpRequest, slug: str) -> HttpResponse:
    """Compare two entries on the same cases."""
    chosen = _asked_board(request, visible_phase(request.user, slug))
    if not chosen.is_full:
        waiting = {"board": chosen, "phase": chosen.phase, "reason": NOT_YET, "is_waiting": True}
        return render(request, "leaderboard/comparison.html", waiting)
    entries = comparable(chosen, request.user)
    first, second = (_asked_entry(request, entries, name) for name in ("a", "b"))
    choices = entries.defer("scores").order_by("-submission__created_at")[:MAX_CHOICES]
    shown: dict[str, Any] = {"board": chosen, "phase": chosen.phase, "first": first, "second": second}
    own = team_of(request.user)
    shown |= {"choices": choices, "own": own, "own_letter": _own_letter(own, first, second)}
    shown["sees_all"] = may(request.user, "submissions.view_submission", chosen.phase)
    if first and second:
        try:
            caller = f"user:{request.user.pk}"
            shown["comparison"] = remembered_comparison(chosen, first, second, caller=caller)
        except NotComparable as reason:
            shown["reason"] = str(reason)
        except ApiError as busy:
            return busy_page(request, busy)
    return render(request, "leaderboard/comparison.html", shown)


def _own_letter(own: Team | None, first: Evaluation | None, second: Evaluation | None) -> str:
    """Return which of the entries A and B is of the reader's team, if exactly one is."""
    mine = [letter for letter, entry in (("A", first), ("B", second)) if own and entry and entry.submission.team == own]
    return mine[0] if len(mine) == 1 else ""


def scale_of(rows: list[BoardRow]) -> tuple[float, float]:
    """Return the round minimum and maximum between which the bars of a page are drawn."""
    ends = [end for row in rows for end in (row.low, row.score, row.high) if end is not None]
    ticks = round_ticks(min(ends), max(ends)) if ends else [0.0, 1.0]
    return ticks[0], ticks[-1]


def _asked_board(request: HttpRequest, phase: Phase) -> Board:
    requested = request.GET
    try:
        return board_of(
            phase,
            request.user,
            metric=requested.get("metric", ""),
            split=requested.get("split", ""),
            every_entry=requested.get("show") == "all",
        )
    except ValueError as error:
        raise Http404("There is no such leaderboard.") from error


def _asked_arrangement(request: HttpRequest) -> Arrangement:
    try:
        return arrangement_of(request.GET.get("q", ""), request.GET.get("sort", ""))
    except ValueError as error:
        raise Http404("There is no such order.") from error


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Http404("There is no such page.")
    return int(text)


def _query(request: HttpRequest, *without: str) -> str:
    """Return the query string without some names, ready for another parameter to be appended."""
    kept = request.GET.copy()
    for name in without:
        kept.pop(name, None)
    return f"{kept.urlencode()}&" if kept else ""


def _asked_team(request: HttpRequest, board: Board) -> Team | None:
    text = request.GET.get("team", "")
    team = team_on_board(board, text)
    if text and team is None:
        raise Http404("There is no such team on this leaderboard.")
    return team


def _own_on_board(request: HttpRequest, board: Board) -> Team | None:
    own = team_of(request.user)
    return team_on_board(board, str(own.pk)) if own else None


def _asked_entry(request: HttpRequest, entries: Any, name: str) -> Evaluation | None:
    """Return the entry of the submission that a parameter names, None if it names none. Raises Http404."""
    text = request.GET.get(name, "")
    if not text:
        return None
    try:
        wanted = uuid.UUID(text)
    except ValueError as error:
        raise Http404("There is no such entry.") from error
    found: Evaluation | None = entries.filter(submission=wanted).first()
    if found is None:
        raise Http404("There is no such entry.")
    return found
