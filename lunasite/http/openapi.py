"""Authentication in the API's OpenAPI schema."""

from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "lunasite.http.authentication.ApiTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of your account page."}


class SiteSessionScheme(SessionScheme):
    target_class = "lunasite.http.authentication.ApiSessionAuthentication"
    name = "session"
