"""Authentication of the API: a knox token as `Bearer` or `Token`, or the session with CSRF."""

from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

PREFIXES = {b"bearer", b"token"}
REMEDY = "Send 'Authorization: Bearer <token>' with a token from your account page."


class ApiTokenAuthentication(TokenAuthentication):
    """Accept `Authorization: Bearer <token>` and `Authorization: Token <token>`.

    Raises AuthenticationFailed (401) for a malformed, unknown, expired or revoked token.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() not in PREFIXES:
            return None
        if len(words) != 2:
            raise AuthenticationFailed(f"The Authorization header is malformed. {REMEDY}")
        return self.authenticate_credentials(words[1])

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        try:
            return super().authenticate_credentials(token)
        except (AuthenticationFailed, UnicodeDecodeError, ValueError):
            raise AuthenticationFailed(f"The token is unknown, expired or revoked. {REMEDY}") from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _cleanup_token(self, auth_token: Any) -> bool:
        """Delete the token if it has expired; knox would also load all other tokens of its user at every request."""
        has_expired = auth_token.expiry is not None and auth_token.expiry < timezone.now()
        if has_expired:
            auth_token.delete()
        return has_expired


class ApiSessionAuthentication(SessionAuthentication):
    """The session of a signed-in browser; unsafe methods need the CSRF token."""
