"""API tokens: they have a name and an expiry date, and are revoked on a password change or account closure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.models import ApiToken


def create_token(*, user: Any, name: str, days: int | None = None) -> tuple[ApiToken, str]:
    """Return the stored token and its text, which is shown once and not stored.

    days: the lifetime; None means the site's TOKEN_DAYS.
    Raises ApiError (409) when the user has MAX_TOKENS that are still valid.
    """
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=user.pk)  # two requests at once do not pass together
        own = ApiToken.objects.filter(user=user)
        own.filter(expiry__lt=timezone.now()).delete()
        if own.count() >= settings.MAX_TOKENS:
            message = f"You have {settings.MAX_TOKENS} tokens; revoke one on your account page first."
            raise ApiError(409, "TOO_MANY_TOKENS", message, limit=settings.MAX_TOKENS)
        return _new_token(user, name, days)


def _new_token(user: Any, name: str, days: int | None) -> tuple[ApiToken, str]:
    if days is None:
        return ApiToken.objects.create(user=user, name=name)
    return ApiToken.objects.create(user=user, expiry=timedelta(days=days), name=name)


@receiver(pre_save, sender=get_user_model())
def revoke_tokens(sender: Any, instance: Any, raw: bool = False, **kwargs: Any) -> None:
    """Revoke all tokens when a user sets a new password or closes the account.

    `_password` holds the text of a password being set; it is None when Django only re-hashes an old one at login.
    """
    if raw or instance.pk is None:
        return
    if instance._password is not None or not instance.is_active:
        ApiToken.objects.filter(user=instance).delete()
