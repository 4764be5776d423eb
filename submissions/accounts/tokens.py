"""API tokens: they have a name and an expiry date, and are revoked on a password change or account closure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.signals import pre_save
from django.dispatch import receiver

from submissions.models import ApiToken


def create_token(*, user: Any, name: str, days: int | None = None) -> tuple[ApiToken, str]:
    """Return the stored token and its text, which is shown once and not stored.

    days: the lifetime; None means the site's TOKEN_DAYS.
    """
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
