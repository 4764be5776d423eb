"""API tokens with a name, so that their owner knows which one to revoke."""

from django.db import models
from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):
    """A knox token (stored as its digest, shown once) with the name its owner gave it."""

    name = models.CharField(max_length=80, default="API token")
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"
