"""Join and leave teams; a user alone is a team of one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils import timezone

from submissions.models import Membership, Phase, Team
from submissions.models.team import new_code, team_of
from submissions.notices.team import tell_team
from submissions.participation.binding import abandoned_teams, people_in
from submissions.text.reserved_names import is_reserved
from submissions.text.sanitize import normalize_display_name

if TYPE_CHECKING:
    from django.contrib.auth.models import User


IN_A_TEAM = "You are in a team already; leave it first."
TAKEN = "That team name is taken, or looks like one that is; choose another."


class TeamError(Exception):
    """A sentence for the person who asked: why it is not possible, and what to do."""


def team_for(user: User) -> Team:
    """Return the user's team; make a team of one when there is none."""
    return team_of(user) or _team_of_one(user)


def _team_of_one(user: User) -> Team:
    # Others can take every name but the last one.
    last = f"Team {user.pk} {secrets.token_hex(4)}"
    for name in (user.get_username()[:80], f"{user.get_username()[:60]} {user.pk}", f"Team {user.pk}", last):
        try:
            return create_team(user=user, name=name)
        except TeamError:
            if team := team_of(user):
                return team
    raise AssertionError("unreachable: nobody guesses the last name")


def create_team(*, user: User, name: str) -> Team:
    """Create a team with `user` as its owner. Raises TeamError when the name or the user is taken."""
    name = checked_name(name, user)
    if team_of(user):
        raise TeamError(IN_A_TEAM)
    try:
        with transaction.atomic():
            team = Team.objects.create(name=name)
            Membership.objects.create(team=team, user=user, is_owner=True)
    except IntegrityError:
        if team_of(user):
            raise TeamError(IN_A_TEAM) from None
        raise TeamError(TAKEN) from None
    return team


def checked_name(name: str, user: User) -> str:
    """Return the name as it is stored. Raises TeamError where it is empty, too long, or looks like the organisers'."""
    name = normalize_display_name(name)
    if not name or len(name) > 80:
        raise TeamError("Give the team a name of 1 to 80 visible characters.")
    if is_reserved(name) and not user.is_staff:
        raise TeamError("This name could be taken for the organisers'; choose another.")
    return name


def join_team(*, user: User, code: str) -> Team:
    """Join by the code a member gave. Raises TeamError for an unknown code, a second team or a full one."""
    with transaction.atomic():
        # Whoever removes a member renews the code under this lock: the old code opens nothing from then on.
        team = Team.objects.select_for_update().filter(code=code.strip().lower()).first()
        if team is None:
            raise TeamError("No team has that code; ask a member to copy it from their team page.")
        add_member(team, user)
    return team


def add_member(team: Team, user: User) -> None:
    """Put the user into the team; call under the team's lock. Raises TeamError for a second team or a full one."""
    own = team_of(user)
    if own == team:
        return
    if own:
        raise TeamError(IN_A_TEAM)
    if phase := full_phase(team, user):
        raise TeamError(f"The team is full: {phase.title} allows {phase.team_size_limit} people in a team.")
    try:
        with transaction.atomic():
            Membership.objects.create(user=user, team=team, is_owner=not team.memberships.exists())
    except IntegrityError:
        raise TeamError(IN_A_TEAM) from None
    tell_team(team, f"{user.get_username()} joined", but=user)


def full_phase(team: Team, user: User) -> Phase | None:
    """Return an open phase in which the team takes part and would grow beyond its limit by this person."""
    now = timezone.now()
    limited = Phase.objects.filter(team_size_limit__isnull=False, submissions__team=team).distinct()
    return next(
        (
            phase
            for phase in limited
            if not phase.has_ended(now) and len(people_in(phase, team) | {user.pk}) > (phase.team_size_limit or 0)
        ),
        None,
    )


def return_to_team(*, user: User, team_id: int) -> Team:
    """Go back to a team in which nobody is left, for which the user has submitted. Raises TeamError."""
    with transaction.atomic():
        team = Team.objects.select_for_update().filter(pk=team_id).first()
        if team is None or not abandoned_teams(user).filter(pk=team.pk).exists():
            raise TeamError("You cannot go back to that team; ask its owner for an invitation.")
        add_member(team, user)
    return team


def leave_team(*, user: User) -> None:
    """Leave the team; if the owner leaves, the longest-standing member becomes owner. The team keeps its submissions.

    The code that the leaver knows opens nothing any more. A team without members that never submitted is removed.
    """
    with transaction.atomic():
        own = team_of(user)
        # A submission in progress holds this lock: either it is stored before, or it finds that its sender has left.
        # Whoever removes members holds it too, so the membership is read under it.
        team = Team.objects.select_for_update().filter(pk=own.pk).first() if own else None
        membership = team.memberships.filter(user=user).first() if team else None
        if team is None or membership is None:
            raise TeamError("You are in no team.")
        take_out(team, membership)
        tell_team(team, f"{user.get_username()} left")
        if not team.memberships.exists() and not team.submissions.exists():
            team.delete()


def take_out(team: Team, membership: Membership) -> None:
    """End a membership, renew the code and end the invitations to and by the person; call under the team's lock.

    The team's webhooks that the person made are switched off: they would go on telling the person of its scores. Its
    registry passwords are deleted: one may be the person's own, and pull images that are no longer the team's business.
    """
    now = timezone.now()
    membership.delete()
    team.webhooks.filter(made_by=membership.user).update(is_active=False)
    team.registry_credentials.all().delete()
    heir = team.memberships.order_by("joined_at").first()
    if heir and membership.is_owner:
        team.memberships.filter(pk=heir.pk).update(is_owner=True)
    Team.objects.filter(pk=team.pk).update(code=new_code())
    confirmed = EmailAddress.objects.filter(user=membership.user).values_list("email", flat=True)
    for address in {membership.user.email, *confirmed} - {""}:
        team.invitations.filter(email__iexact=address).delete()
    # Those that the person sent: a link to another address of one's own would lead back in.
    team.invitations.filter(invited_by=membership.user, expires_at__gt=now).update(expires_at=now)
