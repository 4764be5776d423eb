"""The answers of the inference endpoints, for the OpenAPI schema."""
# ruff: noqa: N815  the contract spells its keys so

from rest_framework import serializers

from inference.slice_classes import SLICE_CLASSES


class ErrorAnswer(serializers.Serializer[object]):
    status = serializers.CharField(help_text="`error`.")
    error_code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
    detail = serializers.CharField(help_text="The message again, for older clients.")


class LesionData(serializers.Serializer[object]):
    seriesInstanceUID = serializers.CharField()
    lesionID = serializers.IntegerField(min_value=0)
    probability = serializers.FloatField(min_value=0, max_value=1)
    predictionLabel = serializers.IntegerField(min_value=0, max_value=1)
    processingTimeMs = serializers.IntegerField(min_value=0)


class LesionResponse(serializers.Serializer[object]):
    status = serializers.CharField(help_text="`success`.")
    data = LesionData()  # type: ignore[assignment]
    modelVersion = serializers.CharField()
    requestId = serializers.CharField()


class LesionResult(serializers.Serializer[object]):
    """The keys of a LesionData; for a lesion without an answer, `status` and the keys of an error instead."""

    status = serializers.CharField(required=False, help_text="`error`, where there is no answer.")
    seriesInstanceUID = serializers.CharField(required=False)
    lesionID = serializers.IntegerField(min_value=0, allow_null=True, help_text="Null where it could not be read.")
    probability = serializers.FloatField(min_value=0, max_value=1, required=False)
    predictionLabel = serializers.IntegerField(min_value=0, max_value=1, required=False)
    processingTimeMs = serializers.IntegerField(min_value=0, required=False)
    error_code = serializers.CharField(required=False)
    message = serializers.CharField(required=False)
    details = serializers.DictField(required=False)


class LesionBatchResponse(serializers.Serializer[object]):
    status = serializers.CharField(help_text="`success`.")
    data = LesionResult(many=True)  # type: ignore[assignment]
    modelVersion = serializers.CharField()
    requestId = serializers.CharField()


class Probabilities(serializers.Serializer[object]):
    def get_fields(self) -> dict[str, serializers.Field]:
        return {name: serializers.FloatField(min_value=0, max_value=1) for name in SLICE_CLASSES}


class SliceResponse(serializers.Serializer[object]):
    pred_index = serializers.IntegerField(min_value=0, max_value=3)
    pred_class = serializers.CharField(help_text=f"One of {', '.join(SLICE_CLASSES)}.")
    confidence = serializers.FloatField(min_value=0, max_value=1)
    probabilities = Probabilities()


class SliceResult(serializers.Serializer[object]):
    """A SliceResponse, or an ErrorAnswer for a picture that cannot be read."""

    status = serializers.CharField(help_text="`success` or `error`.")
    data = SliceResponse(required=False)  # type: ignore[assignment]
    error_code = serializers.CharField(required=False)
    message = serializers.CharField(required=False)
    details = serializers.DictField(required=False)


class SliceBatchResponse(serializers.Serializer[object]):
    status = serializers.CharField(help_text="`success`.")
    results = SliceResult(many=True)


class FeedbackResponse(serializers.Serializer[object]):
    saved_to = serializers.CharField(help_text="feedback/<class>/<name>.png")

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), "class": serializers.CharField()}


COMMON = dict.fromkeys((400, 401, 403, 405, 413, 415, 500, 503, 504), ErrorAnswer)
LESION_ERRORS = {**COMMON, 422: ErrorAnswer}
SLICE_ERRORS = {**COMMON, 422: ErrorAnswer, 429: ErrorAnswer}
FEEDBACK_ERRORS = {**COMMON, 429: ErrorAnswer}
