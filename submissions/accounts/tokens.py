"""API tokens: made with a name and an end, gone when the password changes or the account is closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.signals import pre_save
from django.dispatch import receiver

from submissions.models import ApiToken


def create_token(*, user: Any, name: str, days: int | None = None) -> tuple[ApiToken, str]:
    """Return the stored token and its text, which is shown once and kept nowhere.

    days: how long it lives; None means the site's TOKEN_DAYS.
    """
    if days is None:
        return ApiToken.objects.create(user=user, name=name)
    return ApiToken.objects.create(user=user, expiry=timedelta(days=days), name=name)


@receiver(pre_save, sender=get_user_model())
def revoke_tokens(sender: Any, instance: Any, raw: bool = False, **kwargs: Any) -> None:
    """Revoke all tokens when somebody sets a new password or closes the account.

    `_password` holds the text of a password being set; it is None when Django merely re-hashes an old one at login.
    """
    if raw or instance.pk is None:
        return
    if instance._password is not None or not instance.is_active:
        ApiToken.objects.filter(user=instance).delete()
