"""Who may call: not the account that failed logins have locked, and without a token only where the site lets them."""

from typing import Any

from axes.helpers import get_client_ip_address, get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated

from inference.api.errors import ApiError


def locked_for_s(request: Any) -> float | None:
    """Return for how long the account is locked after failed logins from this address, or None.

    One query on an indexed column, as long as no account is locked from this address.
    """
    plain_request = getattr(request, "_request", request)
    locked = AccessAttempt.objects.filter(
        ip_address=get_client_ip_address(plain_request),
        failures_since_start__gte=settings.AXES_FAILURE_LIMIT,
        attempt_time__gt=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    if not locked.exists():
        return None
    # Under which name axes counts an account is the site's choice (AXES_USERNAME_CALLABLE).
    name = get_client_username(plain_request, {settings.AXES_USERNAME_FORM_FIELD: request.user.get_username()})
    latest = locked.filter(username=name).aggregate(at=Max("attempt_time"))["at"]
    return (latest + settings.AXES_COOLOFF_TIME - timezone.now()).total_seconds() if latest else None


class IsNotLockedOut(BasePermission):
    """Refuse, with 403, the account that failed logins have locked."""

    def has_permission(self, request: Any, view: Any) -> bool:
        wait = locked_for_s(request) if request.user.is_authenticated else None
        if wait is not None:
            message = "The account is locked after too many failed logins; try again later."
            raise ApiError(403, "FORBIDDEN", message, retry_after_s=wait, reason="ACCOUNT_LOCKED")
        return True


class TokenIfRequired:
    """Let a view set's callers in without a token, unless the site setting PREDICT_NEEDS_TOKEN says otherwise."""

    def get_permissions(self) -> list[BasePermission]:
        who: BasePermission = IsAuthenticated() if settings.PREDICT_NEEDS_TOKEN else AllowAny()
        return [who, IsNotLockedOut()]
