"""Join and leave teams; a user alone is a team of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from submissions.models import Membership, Team
from submissions.models.team import team_of
from submissions.text.sanitize import normalize_display_name

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class TeamError(Exception):
    """A sentence for the person who asked: why it is not possible, and what to do."""


def team_for(user: User) -> Team:
    """Return the user's team; make a team of one when there is none."""
    return team_of(user) or _team_of_one(user)


def _team_of_one(user: User) -> Team:
    for name in (user.get_username()[:80], f"{user.get_username()[:60]} {user.pk}"):
        try:
            return create_team(user=user, name=name)
        except TeamError:
            if team := team_of(user):
                return team
    raise TeamError("Your user name is taken as a team name; create a team with another name first.")


def create_team(*, user: User, name: str) -> Team:
    """Create a team with `user` as its owner. Raises TeamError when the name or the user is taken."""
    name = normalize_display_name(name)
    if not name or len(name) > 80:
        raise TeamError("Give the team a name of 1 to 80 visible characters.")
    if team_of(user):
        raise TeamError("You are in a team already; leave it first.")
    try:
        with transaction.atomic():
            team = Team.objects.create(name=name)
            Membership.objects.create(team=team, user=user, is_owner=True)
    except IntegrityError:
        if team_of(user):
            raise TeamError("You are in a team already; leave it first.") from None
        raise TeamError("That team name is taken, or looks like one that is; choose another.") from None
    return team


def join_team(*, user: User, code: str) -> Team:
    """Join by the code a member gave. Raises TeamError for an unknown code or a second team."""
    team = Team.objects.filter(code=code.strip().lower()).first()
    if team is None:
        raise TeamError("No team has that code; ask a member to copy it from their team page.")
    if (own := team_of(user)) and own != team:
        raise TeamError("You are in a team already; leave it first.")
    try:
        Membership.objects.get_or_create(user=user, defaults={"team": team})
    except IntegrityError:
        raise TeamError("You are in a team already; leave it first.") from None
    return team


def leave_team(*, user: User) -> None:
    """Leave the team; if the owner leaves, the longest-standing member becomes owner. The team keeps its submissions.

    A team without members that never submitted is removed.
    """
    with transaction.atomic():
        membership = Membership.objects.select_for_update().filter(user=user).first()
        if membership is None:
            raise TeamError("You are in no team.")
        # A submission in progress holds this lock: either it is stored before, or it finds that its sender has left.
        team, was_owner = Team.objects.select_for_update().get(pk=membership.team_id), membership.is_owner
        membership.delete()
        heir = team.memberships.order_by("joined_at").first()
        if heir and was_owner:
            team.memberships.filter(pk=heir.pk).update(is_owner=True)
        if not heir and not team.submissions.exists():
            team.delete()
