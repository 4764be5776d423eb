"""The order in which waiting evaluations are run: phases by priority, then the teams in turn.

A message in the queue only wakes a worker, which then takes the evaluation whose turn it is: the oldest one of the team
that has least running, and among those of the team that was served longest ago. A team with ten waiting evaluations so
holds up a team with one by at most one of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Min, QuerySet

from submissions.models import Evaluation, Team

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class TeamInLine:
    """The waiting evaluations of one team in phases of one priority."""

    priority: int
    team: int
    count: int
    first: int
    running: int
    served_at: datetime

    @property
    def order(self) -> tuple[int, int, datetime, int]:
        return (-self.priority, self.running, self.served_at, self.first)


def teams_in_line(waiting: QuerySet[Evaluation], submission_type: str) -> list[TeamInLine]:
    """Return the teams that have evaluations in `waiting`, the next one first."""
    groups = waiting.order_by().values_list(
        "submission__phase__priority", "submission__team", "submission__team__served_at"
    )
    running = running_by_team(submission_type)
    teams = [
        TeamInLine(priority, team, count, first, running.get(team, 0), served_at or NEVER)
        for priority, team, served_at, count, first in groups.annotate(Count("pk"), Min("pk"))
    ]
    return sorted(teams, key=lambda team: team.order)


def running_by_team(submission_type: str) -> dict[int, int]:
    running = Evaluation.objects.filter(
        status=Evaluation.Status.RUNNING, submission__submission_type=submission_type
    ).order_by()
    return dict(running.values_list("submission__team").annotate(Count("pk")))


def waiting_of(submission_type: str) -> QuerySet[Evaluation]:
    return Evaluation.objects.waiting().filter(submission__submission_type=submission_type)


def next_evaluations(
    submission_type: str, now: datetime, *, datasets_away: Collection[int] = (), avoiding: str = ""
) -> list[int]:
    """Return the primary key of each team's evaluation that may be claimed at `now`, the next one first.

    datasets_away: datasets whose files cannot be read. avoiding: a host; what failed there last is left to other hosts.
    """
    due = waiting_of(submission_type).filter(available_at__lte=now)
    if datasets_away:
        due = due.exclude(submission__phase__dataset__in=datasets_away)
    if avoiding:
        due = due.exclude(avoid_host=avoiding)
    return [team.first for team in teams_in_line(due, submission_type)]


def mark_served(evaluation: Evaluation, now: datetime) -> None:
    """Send the team of a claimed evaluation to the end of the line."""
    Team.objects.filter(pk=evaluation.submission.team_id).update(served_at=now)  # type: ignore[misc]


def place_in_queue(evaluation: Evaluation, line: dict[Any, Any] | None = None) -> int:
    """Return the evaluation's place in the queue of its type, as teams take turns from now on; 1 is next.

    line: keeps what was counted, so that a list of evaluations counts each queue and team once.
    """
    submission = evaluation.submission
    waiting = waiting_of(submission.submission_type)
    line = {} if line is None else line
    if submission.submission_type not in line:
        line[submission.submission_type] = teams_in_line(waiting, submission.submission_type)
    teams: list[TeamInLine] = line[submission.submission_type]
    priority, team_id = submission.phase.priority, submission.team_id  # type: ignore[attr-defined]
    beside = [team for team in teams if team.priority == priority]
    position = next((n for n, team in enumerate(beside) if team.team == team_id), None)
    if position is None:  # it was claimed a moment ago
        return 1
    key = (submission.submission_type, priority, team_id)
    if key not in line:
        of_team = waiting.filter(submission__phase__priority=priority, submission__team=team_id)
        line[key] = list(of_team.order_by("pk").values_list("pk", flat=True))
    own = bisect_right(line[key], evaluation.pk)
    turn = own + beside[position].running
    ahead = sum(team.count for team in teams if team.priority > priority) + own - 1
    for n, team in enumerate(beside):
        if n != position:
            ahead += min(team.count, max(0, turn - team.running - (0 if n < position else 1)))
    return ahead + 1
