"""The JSON API: what each app offers, its schema, and a JSON 404 for the rest."""

from csp.decorators import csp_update
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from lunasite.http import errors, openapi  # noqa: F401  registers how the schema describes the authentication


class SchemaView(SpectacularAPIView):
    """The schema; there is one version, and the text of `?version=` would stand in a header."""

    def _get_version_parameter(self, request: Request) -> None:
        return None


# Swagger UI writes style attributes; only its own page may.
docs = csp_update({"style-src": "'unsafe-inline'"})(
    SpectacularSwaggerSplitView.as_view(url_name="schema", permission_classes=[AllowAny], authentication_classes=[])
)
schema = SchemaView.as_view(permission_classes=[AllowAny], authentication_classes=[])

api_urls = [
    path("api/v1/schema", schema, name="schema"),
    path("api/docs", docs, name="api_docs"),
    path("api/v1/", include("submissions.api.urls")),
    path("api/v1/", include("leaderboard.api.urls")),
    path("api/v1/", include("inference.api.urls")),
    # Exempt, for a POST without a CSRF token must learn that the address is wrong, not that the token is.
    re_path(r"^(?:api|apitest)(?:/.*)?$", csrf_exempt(errors.not_found)),
]
