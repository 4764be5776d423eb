"""Resumable uploads as JSON (docs/uploads.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lunasite.http.errors import ApiError
from submissions.api.submissions import SubmitThrottle
from submissions.models import Upload
from submissions.storage.base import PART_URL_SECONDS, PIECE_BYTES
from submissions.uploads import resumable
from submissions.uploads.body import guard_body
from submissions.uploads.checks import HEAD_BYTES, check_beginning, declared_digest

MAX_NUMBERS = 1000
# Predictions arrive in one request; the site alone keeps some while it asks.
PURPOSES = [(purpose.value, purpose.label) for purpose in Upload.Purpose if purpose != Upload.Purpose.PREDICTIONS]


class NewUploadSerializer(serializers.Serializer[Any]):
    """A file that is about to arrive."""

    filename = serializers.CharField(max_length=4096)
    size = serializers.IntegerField(min_value=0, help_text="Bytes.")
    sha256 = serializers.CharField(required=False, allow_blank=True, help_text="Checked when the upload completes.")
    purpose = serializers.ChoiceField(PURPOSES, default=Upload.Purpose.IMAGE)
    fingerprint = serializers.RegexField(
        "^[0-9a-f]{64}$", required=False, allow_blank=True,
        help_text="Whatever tells the file from others, as hex: another browser goes on with the upload by it.",
    )  # fmt: skip


class HeadQuerySerializer(serializers.Serializer[Any]):
    """What is known of a file whose beginning is judged."""

    filename = serializers.CharField(max_length=4096)
    purpose = serializers.ChoiceField(PURPOSES, default=Upload.Purpose.IMAGE)


class NumbersSerializer(serializers.Serializer[Any]):
    numbers = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=MAX_NUMBERS)


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """An upload and which of its parts are there."""

    filename = serializers.CharField(source="original_name")
    size = serializers.IntegerField(source="size_bytes")
    part_size = serializers.IntegerField(source="part_bytes")
    parts = serializers.IntegerField(source="parts.count", help_text="How many parts the file has.")
    received = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = [
            "id",
            "purpose",
            "filename",
            "size",
            "part_size",
            "parts",
            "received",
            "is_complete",
            "sha256",
            "fingerprint",
            "expires_at",
        ]

    def get_received(self, upload: Upload) -> list[int]:
        return resumable.received(upload)


class OctetStreamParser(BaseParser):
    """Let a raw body pass unparsed; the view reads it in pieces."""

    media_type = "application/octet-stream"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return {}


class ResumableUploadViewSet(viewsets.GenericViewSet[Upload]):
    """My uploads; they go after two days if nobody submits them."""

    browsable_forms = {"create": NewUploadSerializer, "parts": NumbersSerializer}

    serializer_class = UploadSerializer
    throttle_scope = "submit"
    parser_classes = [*APIView.parser_classes, OctetStreamParser]
    queryset = Upload.objects.none()

    def get_throttles(self) -> list[Any]:
        return [SubmitThrottle()] if self.action in ("create", "check") else []

    def get_object(self) -> Upload:
        upload = Upload.objects.visible_to(self.request.user).filter(pk=self.kwargs["pk"]).first()
        if upload is None:
            raise NotFound("There is no such upload, or it has expired; begin a new one.")
        return upload

    @extend_schema(responses=UploadSerializer(many=True))
    def list(self, request: Request) -> Response:
        """My uploads, newest first: what a fresh browser can go on with."""
        uploads = Upload.objects.visible_to(request.user).exclude(purpose=Upload.Purpose.PREDICTIONS)
        return Response(self.get_serializer(uploads, many=True).data)

    @extend_schema(request=NewUploadSerializer, responses={201: UploadSerializer})
    def create(self, request: Request) -> Response:
        """Begin an upload; the answer says how to cut the file into parts."""
        form = NewUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        requested = form.validated_data
        upload = resumable.begin(
            user=request.user,  # type: ignore[arg-type]
            filename=requested["filename"],
            size_bytes=requested["size"],
            sha256=declared_digest(requested.get("sha256")),
            purpose=requested["purpose"],
            fingerprint=requested.get("fingerprint", ""),
        )
        return Response(self.get_serializer(upload).data, status=201)

    @extend_schema(
        parameters=[HeadQuerySerializer],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=OpenApiTypes.OBJECT,
    )
    def check(self, request: Request) -> Response:
        """Judge a file by its first 64 KiB (all of a shorter one) before it is sent: 200, or why not to send it."""
        query = HeadQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        head = b"".join(body_of(request._request, HEAD_BYTES))
        check_beginning(head, query.validated_data["filename"], purpose=query.validated_data["purpose"])
        return Response({"message": "It begins as it should."})

    def retrieve(self, request: Request, pk: str) -> Response:
        """Say which parts are there."""
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Drop the upload and its bytes."""
        resumable.drop(self.get_object())
        return Response(status=204)

    @extend_schema(request=NumbersSerializer, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def parts(self, request: Request, pk: str) -> Response:
        """Return where to PUT each part. `direct` addresses take no token; the others are the site's own."""
        form = NumbersSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        upload = self.get_object()
        urls = resumable.part_urls(upload, form.validated_data["numbers"])
        listed = [self._address(request, upload, number, url) for number, url in urls.items()]
        return Response({"parts": listed, "expires_in": PART_URL_SECONDS})

    @extend_schema(request={"application/octet-stream": OpenApiTypes.BINARY}, responses=OpenApiTypes.OBJECT)
    def put_part(self, request: Request, pk: str, number: int) -> Response:
        """Send one part through the site: its bytes and nothing else."""
        upload = self.get_object()
        size = resumable.put_part(upload, number, body_of(request._request, upload.part_bytes))
        return Response({"number": number, "size": size})

    @extend_schema(request=None, responses=UploadSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """Join the parts and check size and sha256; then submit it as `upload`."""
        return Response(self.get_serializer(resumable.complete(self.get_object())).data)

    def _address(self, request: Request, upload: Upload, number: int, url: str | None) -> dict[str, Any]:
        own = request.build_absolute_uri(reverse("api_upload_part", args=[upload.pk, number]))
        size = upload.parts.size_of(number)
        return {"number": number, "size": size, "method": "PUT", "url": url or own, "direct": url is not None}


def body_of(request: HttpRequest, most_bytes: int) -> Iterator[bytes]:
    """Yield a raw body in pieces. Raises ApiError when the declared length is too large, or the body breaks off."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdigit() and int(declared) > most_bytes:
        raise ApiError(413, "PART_SIZE", f"A part has at most {most_bytes} bytes.", expected=most_bytes)
    guard_body(request, most_bytes + 1)
    while piece := request.read(PIECE_BYTES):
        yield piece
