"""A team's credentials for a registry: stored encrypted, never shown again."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

from submissions.models.team import Team


class RegistryCredential(models.Model):
    """User name and password for one registry. The password is encrypted with a key derived from SECRET_KEY."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="registry_credentials")
    host = models.CharField(max_length=255)
    username = models.CharField(max_length=255)
    encrypted_password = models.TextField(editable=False)
    created_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["host"]
        constraints = [models.UniqueConstraint(fields=["team", "host"], name="one_credential_per_registry")]

    def __str__(self) -> str:
        return f"{self.username} at {self.host}"

    def set_password(self, password: str) -> None:
        self.encrypted_password = _cipher().encrypt(password.encode()).decode("ascii")

    @property
    def password(self) -> str | None:
        """The password; None if SECRET_KEY has changed since it was stored."""
        try:
            return _cipher().decrypt(self.encrypted_password.encode()).decode()
        except InvalidToken:
            return None


def _cipher() -> Fernet:
    """Return the cipher of registry passwords; its key has no other use (HKDF, RFC 5869)."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"lunasite registry credentials")
    return Fernet(urlsafe_b64encode(derived.derive(settings.SECRET_KEY.encode())))
