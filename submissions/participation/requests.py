"""Ask to take part, accept or decline, accept the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.editing.versions import accept, current_version
from submissions.mail import queue_mail
from submissions.models import Challenge, Participation, Phase
from submissions.models.audit import record
from submissions.models.participation import digest_of
from submissions.participation.terms import organisers_of
from submissions.text.sanitize import single_line

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = Participation.Status


def ask_to_take_part(*, phase: Phase, user: User, sentence: str) -> Participation:
    """Store the request and mail the organisers. A second request changes the sentence; a decision is final."""
    with transaction.atomic():
        row, _ = Participation.objects.select_for_update().get_or_create(challenge=phase.challenge, user=user)
        if row.status in (Status.ACCEPTED, Status.DECLINED):
            raise ApiError(409, "ALREADY_DECIDED", "The organisers have decided about your request already.")
        is_new = row.status == Status.NONE
        row.status, row.request = Status.REQUESTED, sentence.strip()
        row.requested_at = row.requested_at or timezone.now()
        row.save(update_fields=["status", "request", "requested_at"])
        if is_new:
            transaction.on_commit(lambda: _mail_organisers(row))
    return row


def decide(*, participation: Participation, organiser: Any, is_accepted: bool) -> None:
    """Accept or decline, write the audit line, and mail the person. Raises ApiError where nothing would change."""
    status = Status.ACCEPTED if is_accepted else Status.DECLINED
    with transaction.atomic():
        row = Participation.objects.select_for_update().get(pk=participation.pk)
        if row.status == status:
            raise ApiError(409, "ALREADY_DECIDED", f"The person is {status} already.")
        row.status, row.decided_by, row.decided_at = status, organiser, timezone.now()
        row.save(update_fields=["status", "decided_by", "decided_at"])
        record(organiser, "accept" if is_accepted else "decline", row, note=single_line(row.request))
        transaction.on_commit(lambda: _mail_person(row))


def accept_rules(*, challenge: Challenge, user: User, digest: str) -> None:
    """Note that the person accepted the text with this digest, with the time and the number of its version.

    Raises ApiError (409 RULES_CHANGED) when the rules read otherwise by now.
    """
    with transaction.atomic():
        version = current_version(challenge, "rules")
        if digest != digest_of(version.body):
            raise ApiError(409, "RULES_CHANGED", "The rules were changed meanwhile; read them again.")
        accept(version=version, user=user)
        Participation.objects.update_or_create(
            challenge=challenge, user=user, defaults={"rules_digest": digest, "rules_accepted_at": timezone.now()}
        )


def _mail_organisers(row: Participation) -> None:
    link = f"{settings.SITE_URL}/admin/submissions/participation/?status__exact={Status.REQUESTED}"
    body = f"{row.user.get_username()} asks to take part in {row.challenge}:\n\n{row.request}\n\nDecide here: {link}\n"
    recipients = sorted(set(organisers_of(row.challenge).exclude(email="").values_list("email", flat=True)))
    _send(f"{row.user.get_username()} asks to take part in {row.challenge}", body, recipients)


def _mail_person(row: Participation) -> None:
    word = "accepted" if row.status == Status.ACCEPTED else "declined"
    link = f"{settings.SITE_URL}/challenges/{row.challenge.slug}/"
    body = f"The organisers {word} your request to take part in {row.challenge}.\n{link}\n"
    _send(f"Your request for {row.challenge} was {word}", body, [row.user.email] if row.user.email else [])


def _send(subject: str, body: str, recipients: list[str]) -> None:
    line = settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + single_line(subject)
    queue_mail(EmailMessage(line, body, settings.DEFAULT_FROM_EMAIL, recipients))
