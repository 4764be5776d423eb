"""Tell the owner of an account that many wrong passwords were tried on it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.dispatch import receiver

from lunasite.http.lockout import many_failures
from submissions.mail import queue_mail


@receiver(many_failures, dispatch_uid="mail the owner of a guessed account")
def mail_owner(account: str, **options: Any) -> None:
    """account: `user <pk>`, or a login that belongs to nobody."""
    kind, _, number = account.partition(" ")
    if kind != "user" or not number.isdigit():
        return
    user = get_user_model().objects.filter(pk=int(number), is_active=True).exclude(email="").first()
    if user is None:
        return
    body = (
        f"{settings.LOGIN_ACCOUNT_LIMIT} wrong passwords were tried on your account {user.get_username()} at "
        f"{settings.SITE_URL}. From now on each further attempt has to wait; your password was not changed.\n\n"
        "If it was not you: a long password of its own for this site, and a second factor, keep others out. "
        f"{settings.SITE_URL}/account/\n"
    )
    subject = f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}Many wrong passwords for your account"
    queue_mail(EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [user.email]))
