"""Invitations by mail: a link that is good once, for a week, and only its digest is stored."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from lunasite.http.limits.throttling import key_of, seconds_to_wait
from submissions.mail import queue_mail
from submissions.models import Team, TeamInvitation
from submissions.teams.membership import TeamError, add_member
from submissions.teams.ownership import owned_team
from submissions.text.sanitize import single_line

if TYPE_CHECKING:
    from django.contrib.auth.models import User

GOOD_FOR = timedelta(days=7)
# The site mails strangers in the name of a user: few at once, few a day.
MAX_A_DAY = 20
A_DAY = timedelta(days=1)


def invite(*, user: User, email: str) -> TeamInvitation:
    """Store an invitation in place of an earlier one to the address, and mail its link. Raises TeamError."""
    now, secret = timezone.now(), secrets.token_urlsafe(24)
    with transaction.atomic():
        team = owned_team(user)
        team.invitations.filter(expires_at__lte=now - GOOD_FOR).delete()
        _count(user)
        # The earlier one stays as a row, but is good no longer.
        team.invitations.filter(email__iexact=email, expires_at__gt=now).update(expires_at=now)
        invitation = TeamInvitation.objects.create(
            team=team, email=email, digest=_digest(secret), invited_by=user, expires_at=now + GOOD_FOR
        )
    _mail(invitation, secret)
    return invitation


def _count(user: User) -> None:
    """Count an invitation, or raise TeamError beyond MAX_A_DAY. Rows are no count: they end with their team."""
    key = key_of("team invitation", f"user {user.pk}")
    if seconds_to_wait(key, MAX_A_DAY, A_DAY.total_seconds(), time.time()) is not None:
        raise TeamError(f"You sent {MAX_A_DAY} invitations within a day; send more tomorrow, or pass on the code.")


def _mail(invitation: TeamInvitation, secret: str) -> None:
    link = settings.SITE_URL + reverse("team_invitation", args=[secret])
    inviter, team = invitation.invited_by.get_username(), invitation.team.name
    subject = single_line(f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{inviter} invites you to the team {team}")
    body = (
        f"{inviter} invites you to the team {team} on {settings.SITE_URL}.\n\nJoin it here: {link}\n\n"
        f"The link is good once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC. "
        "If you do not know what this is about, do nothing.\n"
    )
    queue_mail(EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [invitation.email]))


def invitation_of(secret: str) -> TeamInvitation | None:
    """Return the invitation of a link, or None where it is used, withdrawn, expired or made up."""
    rows = TeamInvitation.objects.select_related("team", "invited_by").filter(expires_at__gt=timezone.now())
    return rows.filter(digest=_digest(secret)).first()


@transaction.atomic
def accept_invitation(*, user: User, secret: str) -> Team:
    """Join the team of an invitation, which is used up by this. Raises TeamError."""
    invitation = invitation_of(secret)
    if invitation is None:
        raise TeamError("This invitation is used, withdrawn or has expired; ask for another.")
    team = Team.objects.select_for_update().get(pk=invitation.team_id)
    if TeamInvitation.objects.filter(pk=invitation.pk, expires_at__gt=timezone.now()).delete()[0] == 0:
        raise TeamError("This invitation is used, withdrawn or has expired; ask for another.")
    add_member(team, user)
    return team


@transaction.atomic
def withdraw(*, user: User, number: int) -> None:
    """End an invitation; its row stays. Raises TeamError for another team's."""
    team = owned_team(user)
    now = timezone.now()
    if not team.invitations.filter(pk=number, expires_at__gt=now).update(expires_at=now):
        raise TeamError("There is no such invitation.")


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
