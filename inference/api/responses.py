"""The answers of the inference endpoints, for the OpenAPI schema."""
# ruff: noqa: N815  the contract spells its keys so

from rest_framework import serializers

from inference.networks.answer_warnings import WARNINGS
from inference.slice_classes import SLICE_CLASSES


class ErrorAnswer(serializers.Serializer[object]):
    status = serializers.CharField(help_text="`error`.")
    error_code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
    detail = serializers.CharField(help_text="The message again, for older clients.")


class WarningEntry(serializers.Serializer[object]):
    """A reason to trust the answer less."""

    code = serializers.ChoiceField(list(WARNINGS), help_text="docs/api.md says what each code means.")
    message = serializers.CharField()


class Moved(serializers.Serializer[object]):
    """The place that was judged when `recenter` was sent, and how far it lies from the point sent."""

    coordX = serializers.FloatField()
    coordY = serializers.FloatField()
    coordZ = serializers.FloatField()
    movedMm = serializers.FloatField(min_value=0)


class TrustFields(serializers.Serializer[object]):
    """How far a lesion's answer can be trusted."""

    warnings = WarningEntry(many=True, required=False)
    estimatedDiameterMm = serializers.FloatField(
        min_value=0, allow_null=True, required=False, help_text="Null from a model that does not estimate it."
    )
    probabilityInterval = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1), min_length=2, max_length=2, allow_null=True,
        required=False,
        help_text="5th and 95th percentile over the model's members and positions within 2 mm; null without members.",
    )  # fmt: skip
    recentered = Moved(required=False)


class LesionData(serializers.Serializer[object]):
    seriesInstanceUID = serializers.CharField()
    lesionID = serializers.IntegerField(min_value=0)
    probability = serializers.FloatField(min_value=0, max_value=1)
    predictionLabel = serializers.IntegerField(min_value=0, max_value=1)
    processingTimeMs = serializers.IntegerField(min_value=0)


class LesionResponse(TrustFields):
    status = serializers.CharField(help_text="`success`.")
    data = LesionData()  # type: ignore[assignment]
    modelVersion = serializers.CharField()
    requestId = serializers.CharField()


class LesionResult(TrustFields):
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


class SliceData(serializers.Serializer[object]):
    pred_index = serializers.IntegerField(min_value=0, max_value=3)
    pred_class = serializers.CharField(help_text=f"One of {', '.join(SLICE_CLASSES)}.")
    confidence = serializers.FloatField(min_value=0, max_value=1)
    probabilities = Probabilities()


class SliceResponse(SliceData):
    warnings = WarningEntry(many=True, required=False)
    modelVersion = serializers.CharField(required=False)


class SliceResult(serializers.Serializer[object]):
    """The class of one picture with its warnings, or an ErrorAnswer for a picture that cannot be read."""

    status = serializers.CharField(help_text="`success` or `error`.")
    data = SliceData(required=False)  # type: ignore[assignment]
    warnings = WarningEntry(many=True, required=False)
    modelVersion = serializers.CharField(required=False)
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
