"""Who may call: without a token only where the site lets them, and never a locked account."""

from django.conf import settings
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated

from lunasite.http.lockout import IsNotLockedOut


class TokenIfRequired:
    """Let a view set's callers in without a token, unless the site setting PREDICT_NEEDS_TOKEN says otherwise."""

    def get_permissions(self) -> list[BasePermission]:
        who: BasePermission = IsAuthenticated() if settings.PREDICT_NEEDS_TOKEN else AllowAny()
        return [who, IsNotLockedOut()]
