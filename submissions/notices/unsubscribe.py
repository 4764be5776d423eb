"""The unsubscribe link of a mail (RFC 8058): signed, good without signing in, for one kind and one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.db import transaction
from django.urls import reverse

from submissions.models.messages import Kind, MailChoice

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SALT = "lunasite.unsubscribe"


def unsubscribe_url(user: User, kind: str) -> str:
    """Return the address that stops mails of this kind to this person. It never expires: an old mail may be used."""
    secret = signing.dumps([user.pk, kind], salt=SALT)
    return settings.SITE_URL + reverse("unsubscribe", args=[secret])


def unsubscribe_headers(user: User, kind: str) -> dict[str, str]:
    """Return the headers by which a mail program offers the same with one click."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(user, kind)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def person_and_kind(secret: str) -> tuple[User, Kind] | None:
    """Return whom and what a link is about, None for a link that this site did not make."""
    try:
        number, kind = signing.loads(secret, salt=SALT)
    except signing.BadSignature:
        return None
    user = get_user_model().objects.filter(pk=number, is_active=True).first()
    return (user, Kind(kind)) if user and kind in Kind.values else None


def refused_kinds(user: User) -> list[str]:
    """Return the kinds that the person does not want as mail."""
    choice = MailChoice.objects.filter(user=user).first()
    return list(choice.refused) if choice else []


@transaction.atomic
def set_refused(user: User, kinds: list[str]) -> None:
    MailChoice.objects.update_or_create(user=user, defaults={"refused": sorted(set(kinds))})


@transaction.atomic
def refuse(user: User, kind: str) -> None:
    """Send no more mails of this kind; a second call changes nothing."""
    choice, _ = MailChoice.objects.select_for_update().get_or_create(user=user)
    if kind not in choice.refused:
        choice.refused = sorted({*choice.refused, kind})
        choice.save(update_fields=["refused"])
