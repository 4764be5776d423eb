"""POST /api/v1/submissions/docker: an image in the request itself, or a finished resumable upload."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lunasite.http.errors import ApiError
from lunasite.http.multipart import missing_file
from submissions import actions
from submissions.api.serializers import SingleLineCharField, SubmissionFieldsSerializer, SubmissionSerializer
from submissions.api.submissions import SubmitThrottle
from submissions.api.warnings import WARNINGS, warnings_about
from submissions.models import Submission, Upload
from submissions.phases.http_adapter import checked_adapter, checked_endpoint, checked_folders
from submissions.registry.reference import MAX_REFERENCE
from submissions.runner.contracts import contract_choices, default_contract
from submissions.text.idempotency import stored_idempotency_key
from submissions.uploads.body import guard_body
from submissions.uploads.checks import declared_digest
from submissions.uploads.handler import FILE_FIELD, FORM_BYTES, MODEL_FIELD, ImageUploadHandler, ReceivedFile


@extend_schema_field(OpenApiTypes.STR)
class CheckedField(serializers.Field[Any, Any, Any, Any]):
    """A value read by one of our own checks, whose refusals name their codes."""

    def __init__(self, check: Any, **options: Any) -> None:
        super().__init__(required=False, **options)
        self._check = check

    def to_internal_value(self, data: Any) -> Any:
        return self._check(data)

    def to_representation(self, value: Any) -> Any:
        return value


class ImageSubmissionSerializer(SubmissionFieldsSerializer):
    """What comes with an image: how to drive it. Exactly one of `file`, `upload`, `image_reference`, `image`."""

    file = serializers.FileField(
        required=False, help_text=".tar, .tar.gz or .tgz, such as docker save -o model.tar IMAGE writes."
    )
    upload = serializers.UUIDField(required=False, help_text="Id of a completed resumable upload.")
    image_reference = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_REFERENCE,
        help_text="Instead of a file: host/name@sha256:… in a registry this site allows.",
    )  # fmt: skip
    image = serializers.UUIDField(required=False, help_text="Instead: id of an earlier submission of your team.")
    model_archive = serializers.UUIDField(
        required=False,
        help_text="Weights apart from the image: the .tar.gz itself as a file, the id of a completed upload with "
        "purpose=model, or of an archive sent before.",
    )
    contract = serializers.ChoiceField(contract_choices(), required=False, default=default_contract)
    model_endpoint = CheckedField(checked_endpoint, help_text="A path, such as /api/v1/predict/lesion.")
    adapter = CheckedField(checked_adapter, help_text="JSON: port, path, bearer_token, file_field, …")
    writable_folders = CheckedField(checked_folders, help_text="Up to 8 absolute paths, besides those of its user.")
    docker_image_name = SingleLineCharField(required=False, max_length=255, allow_blank=True)
    sha256 = CheckedField(declared_digest, help_text="Of the file; a mismatch is refused.")


# One of these that comes as a file is refused, not passed over. A file as `image` or `upload` is the image, misnamed.
PLAIN_FIELDS = frozenset(ImageSubmissionSerializer().fields) - {FILE_FIELD, MODEL_FIELD, "image", "upload"}


class ImageSubmissionAnswer(SubmissionSerializer):
    """A submission, and a sentence about it."""

    message = serializers.CharField(read_only=True, default="")
    warnings = WARNINGS

    class Meta(SubmissionSerializer.Meta):
        fields = [*SubmissionSerializer.Meta.fields, "message", "warnings"]


class ReceivesImages(APIView):
    """Stream the request's file to storage while it arrives, and delete it if the request fails.

    The handler is set before anything reads the body, as the CSRF check of a session does.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.received_at = timezone.now()
        handler = ImageUploadHandler(request, PLAIN_FIELDS)
        request.upload_handlers = [handler]
        guard_body(request, settings.MAX_IMAGE_BYTES + FORM_BYTES)
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            handler.close()


class DockerSubmissionView(ReceivesImages):
    """Submit a Docker image."""

    throttle_classes = [SubmitThrottle]
    throttle_scope = "submit"
    browsable_forms = {"post": ImageSubmissionSerializer}

    @extend_schema(request={"multipart/form-data": ImageSubmissionSerializer}, responses={201: ImageSubmissionAnswer})
    def post(self, request: Request) -> Response:
        """Submit an image, as `file` or as `upload`. It is checked, then run; a refused one costs no try."""
        form = ImageSubmissionSerializer(data=_fields(request), context={"request": request})
        form.is_valid(raise_exception=True)
        fields = form.validated_data | {
            "idempotency_key": stored_idempotency_key(request.headers.get("Idempotency-Key", ""))
        }
        submission = self._submit(request, fields)
        answer = dict(SubmissionSerializer(submission, context={"request": request}).data)
        answer |= {"message": "Received. The image is checked, then run; watch its status."}
        return Response(answer | {"warnings": warnings_about(submission)}, 201)

    def _submit(self, request: Request, fields: dict[str, Any]) -> Submission:
        common: dict[str, Any] = {"user": request.user, "received_at": self.received_at}
        sent = {"archive_id": fields.pop("model_archive", None), "received": request.FILES.get(MODEL_FIELD)}
        with actions.model_archive_of(common["user"], now=self.received_at, **sent) as archive:
            return self._submit_image(request, common, fields | {"model_archive": archive})

    def _submit_image(self, request: Request, common: dict[str, Any], fields: dict[str, Any]) -> Submission:
        upload_id = fields.pop("upload", None)
        image_reference, earlier = fields.pop("image_reference", ""), fields.pop("image", None)
        image = request.FILES.get(FILE_FIELD)
        if sum((image is not None, upload_id is not None, bool(image_reference), earlier is not None)) != 1:
            raise ApiError(400, "FILE_REQUIRED", _what_to_send(request), field="file")
        if image_reference:
            fields.pop("sha256", None)
            return actions.submit_reference(image_reference=image_reference, **common, **fields)
        if earlier is not None:
            fields.pop("sha256", None)
            return actions.submit_again(earlier_id=earlier, **common, **fields)
        if upload_id is None:
            assert isinstance(image, ReceivedFile)
            return actions.submit_image(image=image, **common, **fields)
        upload = Upload.objects.visible_to(request.user).filter(pk=upload_id, purpose=Upload.Purpose.IMAGE).first()
        return actions.submit_upload(upload=upload, **common, **fields)


def _what_to_send(request: Request) -> str:
    content_type = request.META.get("CONTENT_TYPE", "")
    sent: Any = request.data
    if "multipart" in content_type and isinstance(sent.get(FILE_FIELD), str):
        return missing_file(sent, content_type)
    return "Send the image as `file` in multipart/form-data, the id of an upload as `upload`, or an `image_reference`."


def _fields(request: Request) -> dict[str, Any]:
    """Return the fields that are filled in, without the files, which only their handler reads."""
    if not hasattr(request.data, "items"):
        raise ApiError(400, "VALIDATION_ERROR", "Send form fields, or a JSON object.")
    # A form sends what was left empty too, such as an id.
    fields = {name: value for name, value in request.data.items() if name != FILE_FIELD and value != ""}
    if isinstance(fields.get(MODEL_FIELD), ReceivedFile):
        del fields[MODEL_FIELD]
    return fields
