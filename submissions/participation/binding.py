"""A person's first team in a phase: there the person stays, with its row on the board and its tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from submissions.models import Membership, Phase, Submission, Team

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def bound_team(phase: Phase, user: User) -> Team | None:
    """Return the team with which `user` first submitted to the phase, or None before that.

    A refunded or cancelled submission binds too: what it showed was seen. Submissions are never deleted, and a person
    leaves a team under the lock that a submission holds, so the answer cannot change behind a check.
    """
    first = Submission.objects.filter(phase=phase, user=user, is_baseline=False).order_by("created_at", "pk")
    submission = first.select_related("team").first()
    return submission.team if submission else None


def people_in(phase: Phase, team: Team) -> set[int]:
    """Return the ids of the members, and of everybody who submitted to the phase for the team and left since."""
    senders = Submission.objects.filter(phase=phase, team=team, is_baseline=False).order_by()
    members = Membership.objects.filter(team=team)
    return {*members.values_list("user_id", flat=True), *senders.values_list("user_id", flat=True)}


def abandoned_teams(user: Any) -> QuerySet[Team]:
    """Return the teams without members for which `user` submitted: the user alone may go back to them."""
    return Team.objects.filter(submissions__user=user, memberships__isnull=True).distinct()
