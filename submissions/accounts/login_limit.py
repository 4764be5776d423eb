"""How often a password may be tried: counted before it is checked, so that parallel tries cannot slip through.

django-axes counts failures after the check, which lets fifty requests at once try fifty passwords. Here each try
first takes one of LOGIN_FAILURE_LIMIT places with a single conditional UPDATE; a right password gives them back.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone


def client_address(request: HttpRequest) -> str:
    """Return the client's address; X-Forwarded-For counts only as far as PROXY_COUNT of our proxies wrote it."""
    proxies = int(settings.REST_FRAMEWORK["NUM_PROXIES"] or 0)  # type: ignore[arg-type]
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if proxies and forwarded[0]:
        return forwarded[-min(proxies, len(forwarded))].strip()
    return request.META.get("REMOTE_ADDR") or "0.0.0.0"  # noqa: S104  no address to bind: what an unknown client is called


def account_key(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Return one name per account, whether it is tried by user name or by e-mail address, in any case."""
    given = credentials or {}
    login = str(given.get("username") or given.get("login") or given.get("email") or "").strip()
    user_model = get_user_model()
    user = user_model.objects.filter(username__iexact=login).first()
    if user is None:
        address = EmailAddress.objects.filter(email__iexact=login).select_related("user").first()
        user = address.user if address else user_model.objects.filter(email__iexact=login).first()
    return f"user {user.pk}" if user else login.casefold()[:200]


def take_a_try(account: str, address: str) -> bool:
    """Count one try of `account` from `address`; False when the limit is reached."""
    now = timezone.now()
    row, _ = AccessAttempt.objects.get_or_create(
        username=account, ip_address=address, user_agent="", defaults={"failures_since_start": 0}
    )
    mine = AccessAttempt.objects.filter(pk=row.pk)
    with transaction.atomic():
        mine.filter(attempt_time__lte=now - settings.AXES_COOLOFF_TIME).update(failures_since_start=0)
        free = mine.filter(failures_since_start__lt=settings.AXES_FAILURE_LIMIT)
        return free.update(failures_since_start=F("failures_since_start") + 1, attempt_time=now) == 1


def forget_tries(account: str, address: str) -> None:
    """A right password ends the counting; the row stays, so that a try under way still finds it."""
    AccessAttempt.objects.filter(username=account, ip_address=address).update(failures_since_start=0)


def forget_tries_of(request: HttpRequest, user: Any) -> None:
    forget_tries(f"user {user.pk}", client_address(request))


class CountFirst(AxesDatabaseHandler):
    """The axes handler of this site (AXES_HANDLER)."""

    def is_allowed(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        allowed = take_a_try(account_key(request, credentials), client_address(request))
        if not allowed:
            # AxesMiddleware looks for this and answers 429 in place of the view.
            request.axes_locked_out = True
            request.axes_credentials = credentials
        return allowed

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        """The try was counted before the password was checked."""

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        forget_tries_of(request, user)

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Nothing is kept about it."""
