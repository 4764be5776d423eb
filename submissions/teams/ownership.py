"""What the owner of a team decides: its code, its name, who is in it, and who owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from submissions.models import Membership, Team
from submissions.models.team import new_code
from submissions.notices.team import tell_team
from submissions.teams.membership import TAKEN, TeamError, checked_name, take_out

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def owned_team(user: User) -> Team:
    """Return the team that the user owns, locked; call inside a transaction. Raises TeamError for anybody else."""
    membership = Membership.objects.filter(user=user, is_owner=True).first()
    team = Team.objects.select_for_update().filter(pk=membership.team_id).first() if membership else None
    # Asked again under the lock: another owner may have removed the user, or the team was handed over, meanwhile.
    if team is None or not team.memberships.filter(user=user, is_owner=True).exists():
        raise TeamError("Only the owner of the team decides that; ask them.")
    return team


@transaction.atomic
def renew_code(*, user: User) -> Team:
    """Give the team a new code to join by; the old one opens nothing any more."""
    team = owned_team(user)
    team.code = new_code()
    team.save(update_fields=["code"])
    return team


@transaction.atomic
def remove_member(*, user: User, member_id: int) -> Membership:
    """Take a member out. The person cannot come back by the code known so far, nor by an invitation sent before."""
    team = owned_team(user)
    membership = _other_member(team, user, member_id)
    take_out(team, membership)
    tell_team(team, f"{membership.user.get_username()} was removed", but=user, also=[membership.user])
    return membership


@transaction.atomic
def hand_over(*, user: User, member_id: int) -> Membership:
    """Make another member the owner."""
    team = owned_team(user)
    membership = _other_member(team, user, member_id)
    team.memberships.update(is_owner=False)
    team.memberships.filter(pk=membership.pk).update(is_owner=True)
    tell_team(team, f"{membership.user.get_username()} is its owner now", but=user)
    return membership


def _other_member(team: Team, user: User, member_id: int) -> Membership:
    found = team.memberships.select_related("user").filter(pk=member_id).exclude(user=user).first()
    if found is None:
        raise TeamError("That person is not in your team.")
    return found


def rename(*, user: User, name: str) -> Team:
    """Give the team another name, under the rules for a new team's. Boards show it from now on."""
    name = checked_name(name, user)
    try:
        with transaction.atomic():
            team = owned_team(user)
            earlier, team.name = team.name, name
            team.save(update_fields=["name", "skeleton"])
            if earlier != name:
                tell_team(team, f"it was called {earlier} before", but=user)
    except IntegrityError:
        raise TeamError(TAKEN) from None
    return team
