"""POST /feedback: a user's verdict on a classification, with the picture (docs/api.md)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from inference import actions
from inference.api.base import MultipartViewSet
from inference.api.fields import ChoiceTextField, NumberField, StrictChoiceField, TextField, YesNoField
from inference.api.permissions import TokenIfRequired
from inference.api.requests import FormRequest, UploadPartField
from inference.api.responses import FEEDBACK_ERRORS, FeedbackResponse
from inference.slice_classes import SLICE_CLASSES
from lunasite.http.errors import ApiError
from lunasite.http.limits.throttling import ExactThrottle
from lunasite.http.limits.upload_limits import path_of

NOTE_LENGTH = 5000


class FeedbackRequest(FormRequest):
    """The picture, the answer, whether the answer is right and, if not, the right class."""

    file = UploadPartField(help_text="PNG or JPEG, at most 20 MB and 4096 x 4096 pixels.")
    predicted_class = StrictChoiceField(SLICE_CLASSES)
    is_correct = YesNoField()
    correct_class = ChoiceTextField(
        SLICE_CLASSES, required=False, allow_blank=True, help_text="Required when is_correct is false."
    )
    note = TextField(required=False, allow_blank=True, max_length=NOTE_LENGTH)
    confidence = NumberField(low=0, high=1, required=False)

    def check_parts(self, data: Any) -> None:
        if not data:
            message = "The feedback is empty; send file, predicted_class and is_correct."
            raise ApiError(400, "FEEDBACK_EMPTY", message, reason="FEEDBACK_EMPTY")
        super().check_parts(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        right = attrs.get("correct_class", "")
        if not attrs["is_correct"] and not right:
            raise serializers.ValidationError({"correct_class": "send the right class."})
        if not attrs["is_correct"] and right == attrs["predicted_class"]:
            raise serializers.ValidationError({"correct_class": "it equals predicted_class; set is_correct."})
        return attrs


class FeedbackViewSet(TokenIfRequired, MultipartViewSet):
    """Users' feedback on answers; staff review it at /review/."""

    throttle_classes = [ExactThrottle]
    throttle_scope = "feedback"
    browsable_forms = {"create": FeedbackRequest}

    @extend_schema(
        operation_id="send_feedback",
        tags=["inference"],
        request={"multipart/form-data": FeedbackRequest},
        responses={200: FeedbackResponse, **FEEDBACK_ERRORS},
    )
    def create(self, request: Request) -> Response:
        """Store a verdict with its picture, which is re-encoded."""
        sent = FeedbackRequest.read(request.data)
        feedback = actions.record_feedback(
            user=request.user,
            path=path_of(sent["file"]),
            original_name=sent["file"].name or "",
            predicted_class=sent["predicted_class"],
            is_correct=sent["is_correct"],
            correct_class=sent.get("correct_class", ""),
            confidence=sent.get("confidence"),
            note=sent.get("note", ""),
        )
        return Response({"saved_to": f"feedback/{feedback.picture}", "class": feedback.label})
