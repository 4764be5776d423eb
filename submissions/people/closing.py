"""Close an account (GDPR article 17): delete what is the person's, leave frozen boards under a pseudonym.

Whoever never submitted is deleted as a row. Otherwise the row stays without name, address and password, because other
rows refer to it: results that others compare with may not change after the end of a phase (article 17(3)(d)).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.actions.free_files import free
from submissions.models import (
    AuditEvent,
    Evaluation,
    MailChoice,
    Message,
    ModelArchive,
    Participation,
    Profile,
    Submission,
    Team,
    Upload,
    Webhook,
)
from submissions.models.audit import record
from submissions.models.team import TeamInvitation, team_of
from submissions.participation.binding import abandoned_teams
from submissions.teams.membership import TeamError, leave_team
from submissions.uploads.resumable import drop

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What somebody typed about a submission: names of a person, and links to the person's own pages. Boards show some.
NAMES_NOBODY: dict[str, Any] = {
    "title": "", "comment": "", "original_name": "deleted", "docker_image_name": "", "image_reference": "",
    "model_name": "", "model_version": "", "code_url": "", "paper_url": "", "adapter": {},
}  # fmt: skip
WAITING = (Evaluation.Status.PENDING, Evaluation.Status.RUNNING)


def close_account(user: User) -> None:
    """Close the account of a participant. Raises ApiError (409) for staff, StorageError where files cannot be deleted.

    It can be called again after an error: what is gone is gone, and the rest follows.
    """
    if user.is_staff:
        message = "Accounts of staff are closed by another administrator: make this one an ordinary account first."
        raise ApiError(409, "STAFF_ACCOUNT", message)
    for upload in Upload.objects.filter(user=user):
        drop(upload)
    alone = teams_left_empty(user)
    for team in alone:
        _stop_evaluations(team)
        free(team.submissions.exclude(file=""))
    with transaction.atomic():
        row = get_user_model().objects.select_for_update().get(pk=user.pk)
        for team in alone:
            _withdraw(team)
        _leave(row)
        _forget_or_delete(row)


def teams_left_empty(user: User) -> list[Team]:
    """Return the teams in which nobody is left after the person, and to which nobody else has contributed."""
    team = team_of(user)
    is_alone = team is not None and not team.memberships.exclude(user=user).exists()
    teams = [*([team] if team and is_alone else []), *abandoned_teams(user)]
    return [team for team in teams if not team.submissions.exclude(user=user).exists()]


def _stop_evaluations(team: Team) -> None:
    for submission in Submission.objects.filter(team=team, evaluations__status__in=WAITING).distinct():
        try:
            actions.cancel(submission=submission)
        except ApiError:  # it has just ended
            continue


def _withdraw(team: Team) -> None:
    """Take the team's entries off the boards that still change, and its name off those that do not."""
    now = timezone.now()
    for submission in team.submissions.select_related("phase"):
        if not submission.phase.has_ended(now) and not submission.is_hidden:
            actions.set_hidden(submission=submission, is_hidden=True)
    team.submissions.update(**NAMES_NOBODY)
    team.registry_credentials.all().delete()
    team.webhooks.all().delete()
    team.invitations.all().delete()
    AuditEvent.objects.filter(team_name=team.name).update(team_name="")
    team.name = f"deleted team {secrets.token_hex(4)}"
    team.save(update_fields=["name", "skeleton"])


def _leave(user: User) -> None:
    try:
        leave_team(user=user)
    except TeamError:
        return  # in no team


def _forget_or_delete(user: User) -> None:
    name, addresses = user.get_username(), _addresses(user)
    TeamInvitation.objects.filter(models.Q(invited_by=user) | models.Q(email__in=addresses)).delete()
    for attempts in (AccessAttempt, AccessLog):
        attempts.objects.filter(username__in=[f"user {user.pk}", name, *addresses]).delete()
    pseudonym = f"deleted-{secrets.token_hex(6)}"
    AuditEvent.objects.filter(actor=user).update(actor_name=pseudonym)
    AuditEvent.objects.filter(target_type="participation", target_name__startswith=f"{name} in ").update(
        target_name=pseudonym
    )
    is_needed = Submission.objects.filter(user=user).exists() or ModelArchive.objects.filter(user=user).exists()
    _pseudonymise(user, pseudonym)
    record(user, "close account", user, note="by its owner; kept under a pseudonym" if is_needed else "by its owner")
    if not is_needed:
        user.delete()


def _addresses(user: User) -> list[str]:
    confirmed = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    return sorted({user.email, *confirmed} - {""})


def _pseudonymise(user: User, pseudonym: str) -> None:
    """Delete what belongs to the person alone, and leave of the account a row with a made-up name."""
    for model in (EmailAddress, Authenticator, Profile, MailChoice, Message, Webhook):
        manager: Any = model._default_manager  # type: ignore[attr-defined]
        manager.filter(user=user).delete()
    Participation.objects.filter(user=user).update(request="")
    _cut_links(user)
    user.username, user.email, user.first_name, user.last_name = pseudonym, "", "", ""
    user.is_active = False  # with it, all tokens are revoked
    user.set_unusable_password()
    user.groups.clear()
    user.user_permissions.clear()
    user.save()


def _cut_links(user: User) -> None:
    """Set to nothing every reference that may be empty, such as that of a model call in the log of calls."""
    relations: Any = get_user_model()._meta.get_fields(include_hidden=True)
    for relation in relations:
        if getattr(relation, "on_delete", None) is models.SET_NULL:
            rows: Any = relation.related_model._default_manager
            rows.filter(**{relation.field.name: user}).update(**{relation.field.name: None})
