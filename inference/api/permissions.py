"""Permissions of the inference API: a token is needed if the site requires it; a locked account is always refused."""

from django.conf import settings
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated

from lunasite.http.lockout import IsNotLockedOut


class TokenIfRequired:
    """Allow callers of a view set without a token, unless the site setting PREDICT_NEEDS_TOKEN requires one."""

    def get_permissions(self) -> list[BasePermission]:
        who: BasePermission = IsAuthenticated() if settings.PREDICT_NEEDS_TOKEN else AllowAny()
        return [who, IsNotLockedOut()]
