"""URLs of the JSON API: the endpoints of each app, their list, the schema, and a JSON 404 for all other paths."""

from typing import Any

from csp.decorators import csp_update
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from lunasite.client.trial import TrialImageView, TrialView
from lunasite.http import errors, openapi  # noqa: F401  registers how the schema describes the authentication
from lunasite.http.authentication import ApiSessionAuthentication
from lunasite.http.negotiation import names_html

# The addresses that /api/v1/ lists: those without parameters, by name of their content.
LISTED = {
    "token": "api_token", "phases": "api_phases", "submissions": "api_submissions",
    "submit_image": "api_submit_docker", "uploads": "api_uploads", "upload_check": "api_upload_check",
    "record_key": "api_record_key", "leaderboard": "api_leaderboard",
    "leaderboard_history": "api_leaderboard_history", "predict_lesion": "api_predict_lesion",
    "predict_lesion_batch": "api_predict_lesion_batch", "predict_ct": "api_predict_ct",
    "predict_ct_batch": "api_predict_ct_batch", "feedback": "api_feedback", "schema": "schema", "docs": "api_docs",
}  # fmt: skip


ADDRESSES = {200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}}


class ApiRoot(APIView):
    """The addresses below /api/v1/, by name; /api/docs/ describes each."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="api_root", tags=["addresses"], responses=ADDRESSES)
    def get(self, request: Request) -> Response:
        """List the addresses of the API by name."""
        return Response({what: reverse(name, request=request) for what, name in LISTED.items()})


class SchemaView(SpectacularAPIView):
    """The schema. `?version=` is ignored: there is only one version, and the text would be copied into a header."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer a browser in JSON, which it displays; it would save the schema's own media type as a file."""
        if names_html(request._request):
            return next(
                (renderer, renderer.media_type)
                for renderer in self.get_renderers()
                if renderer.media_type == "application/json"
            )
        return super().perform_content_negotiation(request, force)

    def _get_version_parameter(self, request: Request) -> None:
        return None


# Swagger UI writes style attributes; the content security policy allows them only on its page.
docs = csp_update({"style-src": "'unsafe-inline'"})(
    SpectacularSwaggerSplitView.as_view(
        url_name="schema", permission_classes=[AllowAny], authentication_classes=[ApiSessionAuthentication]
    )
)
schema = SchemaView.as_view(permission_classes=[AllowAny], authentication_classes=[])

api_urls = [
    re_path(r"^api/v1/?$", ApiRoot.as_view(), name="api_root"),
    path("api/v1/schema", schema, name="schema"),
    path("api/docs", docs, name="api_docs"),
    path("api/v1/", include("submissions.api.urls")),
    path("api/v1/phases/<slug:slug>/trial", TrialView.as_view(), name="api_trial"),
    path("api/v1/phases/<slug:slug>/trial/images/<int:number>", TrialImageView.as_view(), name="api_trial_image"),
    path("api/v1/", include("leaderboard.api.urls")),
    path("api/v1/", include("inference.api.urls")),
    # Exempt, because a POST without a CSRF token should be told that the address is wrong, not that the token is.
    re_path(r"^(?:api|apitest)(?:/.*)?$", csrf_exempt(errors.not_found)),
]
