"""The public key that verifies signed records."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from submissions.presenters.signed_record import published_keys


class RecordKeyView(APIView):
    """Which keys this site signs records with, or has: a JSON Web Key Set, today's key first."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="record_key", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """The public keys (Ed25519) that verify signed records."""
        return Response(published_keys())
