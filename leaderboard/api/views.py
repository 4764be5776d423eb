"""The boards as JSON and CSV (docs/reference/api-contract.md)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.boards import Board, board_of, shown_metrics, visible_phase
from leaderboard.columns import RowSerializer
from leaderboard.export import MAX_ROWS, board_csv, csv_response, remembered_board, whole_board_csv
from leaderboard.history import history
from leaderboard.standings import BoardRow, count_of, page_of, team_on_board
from lunasite.http.errors import ApiError
from lunasite.http.limits.dear_work import caller_of
from lunasite.http.limits.throttling import ExactThrottle
from lunasite.http.negotiation import IgnoreAcceptNegotiation
from submissions.models.team import team_of

MAX_PAGE_ROWS = 100


class BoardSerializer(serializers.Serializer[Any]):
    """A board: `direction` states whether higher or lower is better, `split` which cases were counted."""

    phase = serializers.CharField()
    metric = serializers.CharField()
    direction = serializers.ChoiceField(choices=["higher", "lower"])
    split = serializers.ChoiceField(choices=["public", "private", "shown"])
    count = serializers.IntegerField()
    is_small = serializers.BooleanField(help_text="whether the split has fewer than ten cases of some class")
    rows = RowSerializer(many=True)


class HistoryPointSerializer(serializers.Serializer[Any]):
    """One entry of a history; `best` is the best score up to that time."""

    submitted_at = serializers.DateTimeField()
    submission = serializers.UUIDField()
    team = serializers.CharField()
    score = serializers.FloatField()
    ci_low = serializers.FloatField(source="low", allow_null=True)
    ci_high = serializers.FloatField(source="high", allow_null=True)
    best = serializers.FloatField()


class HistorySerializer(serializers.Serializer[Any]):
    """A team's entries in order of time; without a team, the entries that led the board when they were submitted."""

    phase = serializers.CharField()
    team = serializers.CharField(allow_null=True)
    metric = serializers.CharField()
    direction = serializers.ChoiceField(choices=["higher", "lower"])
    split = serializers.ChoiceField(choices=["public", "private"])
    rows = HistoryPointSerializer(many=True)


PHASE = OpenApiParameter("phase", str, required=True, description="slug or number of the phase; also `dataset_id`")
METRIC = OpenApiParameter("metric", str, description="in any case; default: the one that ranks")
SPLIT = OpenApiParameter("split", str, enum=["public", "private"], description="private: after the phase's end")
FORMAT = OpenApiParameter("format", str, enum=["json", "csv"])
SHOW = OpenApiParameter("show", str, enum=["best", "all"], description="all: every entry of each team")
PAGE = OpenApiParameter(
    "page",
    int,
    description=f"from 1; without it the whole board, cut at {MAX_ROWS} rows: `count` says how many there are",
)
PAGE_SIZE = OpenApiParameter("page_size", int, description="at most 100")


def asked_board(request: Request) -> Board:
    """Return the board that a request's parameters name. Raises Http404 and ApiError."""
    requested = request.query_params
    named = requested.get("phase") or requested.get("dataset_id")
    if not named:
        raise ApiError(400, "VALIDATION_ERROR", "Say which phase: add ?phase= and its slug.", field="phase")
    phase = visible_phase(request.user, named)
    every_entry = one_of(request, "show", ("best", "all")) == "all"
    metric, split = requested.get("metric", ""), requested.get("split", "")
    try:
        return board_of(phase, request.user, metric=metric, split=split, every_entry=every_entry)
    except ValueError as error:
        names = shown_metrics(phase, phase.view_of(request.user, timezone.now()).is_full("public_results"))
        raise _unknown(str(error), names) from error


def _unknown(field: str, names: list[str]) -> ApiError:
    sentences = {
        "metric": f"This phase shows no such metric now; choose from {', '.join(names)}.",
        "split": "The scores of that split are not shown; leave the parameter out.",
    }
    return ApiError(400, "VALIDATION_ERROR", sentences[field], field=field)


def one_of(request: Request, name: str, choices: tuple[str, ...]) -> str:
    """Return a parameter that must be one of `choices`; the first is the default."""
    value = request.query_params.get(name, choices[0])
    if value not in choices:
        message = f"{name} is one of {', '.join(choices)}."
        raise ApiError(400, "VALIDATION_ERROR", message, field=name)
    return value


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ApiError(400, "VALIDATION_ERROR", f"{name} is a whole number from 1.", field=name)
    return min(int(text), most)


class PublicView(APIView):
    permission_classes = [AllowAny]
    throttle_classes = [ExactThrottle]
    throttle_scope = "pages"


class BoardView(PublicView):
    content_negotiation_class = IgnoreAcceptNegotiation

    @extend_schema(
        operation_id="leaderboard",
        parameters=[PHASE, METRIC, FORMAT, SPLIT, SHOW, PAGE, PAGE_SIZE],
        responses={(200, "application/json"): BoardSerializer, (200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """The ranks of a phase. Scores are those of the public cases until the phase ends."""
        as_csv = one_of(request, "format", ("json", "csv")) == "csv"
        board = asked_board(request)
        caller = caller_of(request)
        if "page" not in request.query_params and "page_size" not in request.query_params:
            if as_csv:
                return whole_board_csv(board, caller=caller)
            found = remembered_board("json", board, lambda rows: _found(rows, count_of(board)), caller=caller)
            return Response(_described(board) | found)
        size = _number(request, "page_size", 50, MAX_PAGE_ROWS)
        page = page_of(board, _number(request, "page", 1, 10**9), team_of(request.user), size=size)
        if as_csv:
            return csv_response(board, board_csv(board, page.rows))
        return Response(_described(board) | _found(page.rows, page.n_entries))


def _found(rows: list[BoardRow], count: int) -> dict[str, Any]:
    written = [dict(row) for row in RowSerializer(rows, many=True).data]
    return {"count": count, "is_small": any(row.is_small for row in rows), "rows": written}


def _described(board: Board) -> dict[str, Any]:
    return {
        "phase": board.phase.slug,
        "metric": board.metric.name,
        "direction": board.metric.direction,
        "split": board.split,
    }


class HistoryView(PublicView):
    @extend_schema(
        operation_id="leaderboard_history",
        parameters=[
            PHASE, OpenApiParameter("team", str, description="number or name of a team on this board"), METRIC, SPLIT,
        ],
        responses=HistorySerializer,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The entries of a team over time, or the entries that led the board."""
        board = asked_board(request)
        requested = request.query_params.get("team", "")
        team = team_on_board(board, requested)
        if requested and team is None:
            raise ApiError(404, "NOT_FOUND", "There is no such team on this leaderboard.", field="team")
        rows = HistoryPointSerializer(history(board, team), many=True).data
        return Response(_described(board) | {"team": team.name if team else None, "rows": rows})
