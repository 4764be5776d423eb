"""API tokens with a name, so that their owner knows which one to revoke."""

from __future__ import annotations

from typing import Any

from django.db import models
from knox.models import AbstractAuthToken, AuthTokenManager


class ApiTokenManager(AuthTokenManager):  # type: ignore[misc]
    def visible_to(self, user: Any) -> models.QuerySet[ApiToken]:
        """Return the user's own tokens; staff do not see those of others."""
        own: models.QuerySet[ApiToken] = self.filter(user=user)
        return own


class ApiToken(AbstractAuthToken):
    """A knox token (stored as its digest, shown once) with the name that its owner gave it."""

    name = models.CharField(max_length=80, default="API token")
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenManager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"
