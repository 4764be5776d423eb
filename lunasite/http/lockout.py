"""Lock-out after failed logins. Login attempts are counted before the check, so parallel ones cannot exceed the limit.

django-axes counts failures after the check, which lets fifty parallel requests try fifty passwords. Here each attempt
first takes one of LOGIN_FAILURE_LIMIT places with a single conditional UPDATE; a right password gives them back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.utils import filter_users_by_email
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Max
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.permissions import BasePermission

from lunasite.http.client_address import client_network
from lunasite.http.errors import ApiError

EVERY_ADDRESS = "::"  # the row that counts an account over all addresses; nobody calls from it
QUIET_DAY = timedelta(days=1)
MAX_PAUSE = timedelta(hours=1)
# Sent with `account` (as accounts_tried names it) when it reaches LOGIN_ACCOUNT_LIMIT.
many_failures = Signal()


def accounts_tried(credentials: dict[str, Any] | None) -> list[str]:
    """Return a name for each account whose password is checked, by user name or e-mail address, in any case.

    Several accounts can claim an unconfirmed address, and a password is then checked against each of them. If only one
    were counted, an attacker could claim another user's address and reset the count by signing in to his own account.
    """
    given = credentials or {}
    login = str(given.get("username") or given.get("login") or given.get("email") or "").strip()
    users = [*get_user_model().objects.filter(username__iexact=login), *_users_by_email(login)]
    return list(dict.fromkeys(f"user {user.pk}" for user in users)) or [login.casefold()[:200]]


def _users_by_email(login: str) -> list[Any]:
    """Return the users against whom allauth's backend checks a login by e-mail address."""
    return list(filter_users_by_email(login, prefer_verified=True)) if "@" in login else []


def account_key(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Return the name of the primary account of a login (AXES_USERNAME_CALLABLE)."""
    return accounts_tried(credentials)[0]


def count_attempt(account: str, address: str) -> bool:
    """Count one attempt on `account` from `address`; return False when the limit is reached."""
    now = timezone.now()
    row, _ = AccessAttempt.objects.get_or_create(
        username=account, ip_address=address, user_agent="", defaults={"failures_since_start": 0}
    )
    mine = AccessAttempt.objects.filter(pk=row.pk)
    with transaction.atomic():
        mine.filter(attempt_time__lte=now - settings.AXES_COOLOFF_TIME).update(failures_since_start=0)
        free = mine.filter(failures_since_start__lt=settings.AXES_FAILURE_LIMIT)
        return free.update(failures_since_start=F("failures_since_start") + 1, attempt_time=now) == 1


def count_account_attempt(account: str) -> bool:
    """Count one attempt on `account` over all addresses; return False where it has to wait for the next place.

    Beyond LOGIN_ACCOUNT_LIMIT, places come one after the other, with a pause that doubles up to an hour: many addresses
    guess hardly faster than one, and the owner gets in at the next place. A day without attempts starts afresh.
    """
    now = timezone.now()
    row, _ = AccessAttempt.objects.get_or_create(
        username=account, ip_address=EVERY_ADDRESS, user_agent="", defaults={"failures_since_start": 0}
    )
    with transaction.atomic():
        mine = AccessAttempt.objects.select_for_update().get(pk=row.pk)
        failures = 0 if mine.attempt_time <= now - QUIET_DAY else mine.failures_since_start
        if failures >= settings.LOGIN_ACCOUNT_LIMIT and now < mine.attempt_time + pause_after(failures):
            return False
        AccessAttempt.objects.filter(pk=row.pk).update(failures_since_start=failures + 1, attempt_time=now)
    if failures + 1 == settings.LOGIN_ACCOUNT_LIMIT:
        many_failures.send(AccessAttempt, account=account)
    return True


def pause_after(failures: int) -> timedelta:
    """Return the wait after so many attempts: a minute at the limit, doubled with each, at most an hour."""
    beyond = failures - int(settings.LOGIN_ACCOUNT_LIMIT)
    return min(MAX_PAUSE, timedelta(minutes=1) * 2 ** min(beyond, 10))


def reset_attempts(account: str, address: str) -> None:
    """Reset the count after a right password; the row stays, so that an attempt in progress still finds it."""
    AccessAttempt.objects.filter(username=account, ip_address=address).update(failures_since_start=0)


def reset_attempts_of(request: HttpRequest, user: Any) -> None:
    """Reset the count of the user who signed in; other accounts on which the login was tried get one attempt back."""
    own, address = f"user {user.pk}", client_network(request)
    reset_attempts(own, address)
    reset_attempts(own, EVERY_ADDRESS)
    others = [account for account in request.__dict__.pop("accounts_tried", []) if account != own]
    tried = AccessAttempt.objects.filter(
        username__in=others, ip_address__in=[address, EVERY_ADDRESS], failures_since_start__gt=0
    )
    tried.update(failures_since_start=F("failures_since_start") - 1)


class AtomicAttemptHandler(AxesDatabaseHandler):
    """The axes handler of this site (AXES_HANDLER)."""

    def is_allowed(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        request.accounts_tried = accounts_tried(credentials)
        address = client_network(request)
        allowed = all(
            count_attempt(account, address) and count_account_attempt(account) for account in request.accounts_tried
        )
        if not allowed:
            # AxesMiddleware checks this attribute and answers 429 in place of the view.
            request.axes_locked_out = True
            request.axes_credentials = credentials
        return allowed

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        """Do nothing: the attempt was counted before the password was checked."""

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        reset_attempts_of(request, user)

    def user_logged_out(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Do nothing: no log-outs are recorded."""


def locked_for_s(request: Any) -> float | None:
    """Return for how many seconds the account is locked after failed logins from this address, or None.

    This costs one query on an indexed column, as long as no account is locked from this address.
    """
    plain_request = getattr(request, "_request", request)
    locked = AccessAttempt.objects.filter(
        ip_address=client_network(plain_request),
        failures_since_start__gte=settings.AXES_FAILURE_LIMIT,
        attempt_time__gt=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    if not locked.exists():
        return None
    latest = locked.filter(username=f"user {request.user.pk}").aggregate(at=Max("attempt_time"))["at"]
    return (latest + settings.AXES_COOLOFF_TIME - timezone.now()).total_seconds() if latest else None


class IsNotLockedOut(BasePermission):
    """Refuse an account that is locked after failed logins, with 403."""

    def has_permission(self, request: Any, view: Any) -> bool:
        wait = locked_for_s(request) if request.user.is_authenticated else None
        if wait is not None:
            message = "The account is locked after too many failed logins; try again later."
            raise ApiError(403, "FORBIDDEN", message, retry_after_s=wait, reason="ACCOUNT_LOCKED")
        return True
