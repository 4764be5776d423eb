"""The order in which waiting evaluations are run: phases by priority, then teams in turn, then by arrival.

A message in the queue only wakes a worker, which then takes the evaluation whose turn it is. A team with ten waiting
evaluations so holds up a team with one by at most one of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from submissions.models import Evaluation

CANDIDATES = 64


def waiting_in_turn(submission_type: str) -> Q:
    return Q(status=Evaluation.Status.PENDING, submission__submission_type=submission_type)


def _turn() -> Window:
    """Return the place of an evaluation among its own team's waiting ones, counted from 1."""
    groups = [F("submission__phase__priority"), F("submission__team")]
    return Window(RowNumber(), partition_by=groups, order_by="pk")


def next_evaluations(
    submission_type: str, now: datetime, *, datasets_away: Collection[int] = (), avoiding: str = ""
) -> list[int]:
    """Return primary keys of evaluations that may be claimed at `now`, the next one first; at most CANDIDATES.

    datasets_away: datasets whose files cannot be read. avoiding: a host; what failed there last is left to other hosts.
    """
    due = Evaluation.objects.filter(waiting_in_turn(submission_type), available_at__lte=now)
    if datasets_away:
        due = due.exclude(submission__phase__dataset__in=datasets_away)
    if avoiding:
        due = due.exclude(avoid_host=avoiding)
    rows = (
        due.annotate(turn=_turn())
        .order_by("-submission__phase__priority", "turn", "pk")
        .values_list("pk", "turn", "submission__phase__priority", "submission__team")[:CANDIDATES]
    )
    running = running_by_team(submission_type)
    ordered = sorted(rows, key=lambda row: (-row[2], row[1] + running.get(row[3], 0), row[0]))
    return [row[0] for row in ordered]


def running_by_team(submission_type: str) -> dict[int, int]:
    running = Evaluation.objects.filter(
        status=Evaluation.Status.RUNNING, submission__submission_type=submission_type
    ).order_by()
    return dict(running.values_list("submission__team").annotate(Count("pk")))


def place_in_queue(evaluation: Evaluation) -> int:
    """Return the evaluation's place in the queue of its type; 1 is next."""
    submission = evaluation.submission
    waiting = Evaluation.objects.filter(waiting_in_turn(submission.submission_type)).order_by()
    priority = submission.phase.priority
    first = waiting.filter(submission__phase__priority__gt=priority).count()
    beside = waiting.filter(submission__phase__priority=priority)
    turn = beside.filter(submission__team=submission.team_id, pk__lte=evaluation.pk).count()
    in_turn = beside.annotate(turn=_turn())
    earlier_turns = in_turn.filter(turn__lt=turn).count()
    # A row's turn depends on earlier rows of its team alone, so later rows can be left out before turns are counted.
    same_turn = beside.filter(pk__lt=evaluation.pk).annotate(turn=_turn()).filter(turn=turn).count()
    return first + earlier_turns + same_turn + 1
