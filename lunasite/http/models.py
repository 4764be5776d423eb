"""The tables of the HTTP boundary: calls of each caller, counted exactly, and the version of the public content."""

from __future__ import annotations

from django.db import models


class CallCount(models.Model):
    """The times of a caller's calls of one scope within its window; read and written under the row's lock.

    times: seconds since the epoch, oldest first, at most as many as the scope allows.
    """

    key = models.CharField(max_length=120, unique=True)
    times = models.JSONField(default=list)
    expires_at = models.FloatField(db_index=True)

    def __str__(self) -> str:
        return self.key


class ContentVersion(models.Model):
    """The one row that names the state of the public content: a new random token after each change."""

    token = models.CharField(max_length=16)

    def __str__(self) -> str:
        return self.token
