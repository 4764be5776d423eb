"""POST /api/v1/auth/token: exchange a user name and password for an API token."""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lunasite.http import lockout
from lunasite.http.errors import ApiError
from lunasite.http.limits.throttling import ExactThrottle
from submissions.accounts.tokens import create_token
from submissions.models import ApiToken


class CredentialsSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=254, help_text="User name or e-mail address.")
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)
    name = serializers.CharField(max_length=80, required=False, default="API token", help_text="To tell tokens apart.")


class TokenSerializer(serializers.Serializer):
    token = serializers.CharField(help_text="Shown once. Send it as 'Authorization: Bearer <token>'.")
    name = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)


class TokenView(APIView):
    """Make an API token from user name and password. Ten wrong passwords lock the account for this address."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    throttle_classes = [ExactThrottle]
    throttle_scope = "token"

    @extend_schema(request=CredentialsSerializer, responses=TokenSerializer, operation_id="auth_token")
    def post(self, request: Request) -> Response:
        token, text = new_token(request)
        return Response(TokenSerializer({"token": text, "name": token.name, "expires_at": token.expiry}).data)

    def throttled(self, request: Request, wait: float) -> NoReturn:
        raise ApiError(429, "TOO_MANY_ATTEMPTS", "Too many attempts; wait before you try again.", retry_after_s=wait)


class PlainTokenView(TokenView):
    """The same, answered as `rest_framework.authtoken` does: `{"token"}` and nothing else."""

    def post(self, request: Request) -> Response:
        return Response({"token": new_token(request)[1]})


def new_token(request: Request) -> tuple[ApiToken, str]:
    """Return a new token for the user whose name and password are in the request, and its text. Raises ApiError."""
    given = CredentialsSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    user = check_password(request, given.validated_data["username"], given.validated_data["password"])
    refuse_second_factor(user)
    refuse_unverified(user)
    return create_token(user=user, name=given.validated_data["name"])


def check_password(request: Request, username: str, password: str) -> Any:
    """Return the user; the answer is the same for a wrong password and an unknown name.

    A locked account is answered by axes' middleware with 429 in place of this view's 401.
    """
    user = authenticate(request._request, username=username, password=password)
    if user is None:
        raise ApiError(401, "UNAUTHORIZED", "User name or password is wrong.")
    lockout.reset_attempts_of(request._request, user)
    return user


def refuse_second_factor(user: Any) -> None:
    if is_mfa_enabled(user):
        sentence = "This account signs in with a second factor; make a token on your account page instead."
        raise ApiError(403, "SECOND_FACTOR_REQUIRED", sentence)


def refuse_unverified(user: Any) -> None:
    mandatory = settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory"
    if mandatory and not EmailAddress.objects.filter(user=user, verified=True).exists():
        raise ApiError(403, "EMAIL_NOT_VERIFIED", "Confirm your e-mail address first; the link is in your mail.")
