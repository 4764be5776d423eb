"""A person's first team in a phase: there the person stays, with its row on the board and its tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, QuerySet, Subquery

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
    """Return the teams without members to which `user` may go back: those for which the user was the last to submit.

    Somebody else who submitted later was in the team when the user was not, or may have removed the user: what was
    sent then is not for the user. Closed accounts do not count, for nobody comes back to them.
    """
    active = Submission.objects.filter(team=OuterRef("pk"), user__is_active=True)
    last_sender = Subquery(active.order_by("-created_at", "-pk").values("user")[:1])
    left = Team.objects.filter(submissions__user=user, memberships__isnull=True)
    return left.alias(last_sender=last_sender).filter(last_sender=user.pk).distinct()
