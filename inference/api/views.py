"""Predictions as JSON: /api/v1/predict/lesion and /api/v1/predict/ct, one and many (docs/api.md)."""

import math
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from inference import actions
from inference.api import error_mapping
from inference.api.base import PredictionViewSet
from inference.api.permissions import TokenIfRequired
from inference.api.requests import (
    AXES,
    LesionBatchRequest,
    LesionRequest,
    SliceBatchRequest,
    SliceRequest,
)
from inference.api.responses import (
    LESION_ERRORS,
    SLICE_ERRORS,
    LesionBatchResponse,
    LesionResponse,
    SliceBatchResponse,
    SliceResponse,
)
from inference.api.throttling import LESION_ENDPOINTS, SLICE_ENDPOINTS
from inference.call_log import CallRecord
from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.models import Prediction
from inference.networks.answer_warnings import as_json
from inference.networks.answers import LesionAnswer, LesionReading, LesionWishes, SliceAnswer
from lunasite.http.errors import ApiError
from lunasite.http.limits.upload_limits import path_of
from lunasite.http.lockout import IsNotLockedOut

LABEL_THRESHOLD = 0.5
BATCH_BYTES = 100 * 2**20


class LesionViewSet(PredictionViewSet):
    """Malignancy of lesions in a CT volume."""

    permission_classes = [IsAuthenticated, IsNotLockedOut]
    endpoints = {"create": Prediction.Endpoint.LESION, "batch": Prediction.Endpoint.LESION_BATCH}
    scope = LESION_ENDPOINTS
    browsable_forms = {"create": LesionRequest, "batch": LesionBatchRequest}

    def max_bytes(self) -> int:
        return settings.MAX_VOLUME_BYTES

    def over_limit(self, wait_s: float) -> None:
        message = f"Over the rate limit; try again in {math.ceil(wait_s)} seconds."
        raise ApiError(403, "FORBIDDEN", message, retry_after_s=wait_s, reason="RATE_LIMIT")

    @extend_schema(
        operation_id="predict_lesion",
        tags=["inference"],
        request={"multipart/form-data": LesionRequest},
        responses={200: LesionResponse, **LESION_ERRORS},
    )
    def create(self, request: Request) -> Response:
        """Return the malignancy probability of one lesion."""
        sent = LesionRequest.read(request.data)
        call = self.running_call()
        answer = self._predict(sent, [sent])
        reading = answer.readings[0]
        data = lesion_data(sent, sent, reading.probability, call)
        trust = trust_in(reading, is_recentered=sent.get("recenter", False))
        return Response({"status": "success", "data": data, **trust, **trace(call, answer)})

    @extend_schema(
        operation_id="predict_lesion_batch",
        tags=["inference"],
        request={"multipart/form-data": LesionBatchRequest},
        responses={200: LesionBatchResponse, **LESION_ERRORS},
    )
    def batch(self, request: Request) -> Response:
        """Return the malignancy probability of up to 100 lesions of one volume, which is read once.

        Each lesion is answered or refused on its own, in the order sent; the call fails when every lesion does.
        """
        sent = LesionBatchRequest.read(request.data)
        call = self.running_call()
        requested = [row for row in sent["lesions"] if not isinstance(row, ApiError)]
        answer = self._predict(sent, requested)
        data = list(batch_results(sent, answer, call))
        return Response({"status": "success", "data": data, **trace(call, answer)})

    def _predict(self, sent: dict[str, Any], lesions: list[dict[str, Any]]) -> LesionAnswer:
        raw = sent.get("rawFile")
        return actions.predict_lesions(
            call=self.running_call(),
            path=path_of(sent["file"]),
            raw_path=path_of(raw) if raw is not None else None,
            points_xyz_mm=[(lesion[AXES[0]], lesion[AXES[1]], lesion[AXES[2]]) for lesion in lesions],
            wishes=LesionWishes(sent.get("recenter", False), sent.get("allowNonHu", False)),
        )


def lesion_data(sent: dict[str, Any], lesion: dict[str, Any], probability: float, call: CallRecord) -> dict[str, Any]:
    return {
        "seriesInstanceUID": sent["seriesInstanceUID"],
        "lesionID": lesion["lesionID"],
        "probability": probability,
        "predictionLabel": int(probability >= LABEL_THRESHOLD),
        "processingTimeMs": call.milliseconds,
    }


def trust_in(reading: LesionReading, *, is_recentered: bool) -> dict[str, Any]:
    """Return what says how far an answer can be trusted; it stands beside `data`, in a batch in each row."""
    has_interval = reading.low is not None and reading.high is not None
    trust: dict[str, Any] = {
        "warnings": as_json(reading.warnings),
        "estimatedDiameterMm": None if reading.diameter_mm is None else round(reading.diameter_mm, 1),
        "probabilityInterval": [reading.low, reading.high] if has_interval else None,
    }
    if is_recentered:
        place = (round(value, 2) for value in reading.point_xyz_mm)
        trust["recentered"] = {**dict(zip(AXES, place, strict=True)), "movedMm": round(reading.moved_mm, 2)}
    return trust


def batch_results(sent: dict[str, Any], answer: LesionAnswer, call: CallRecord) -> Iterator[dict[str, Any]]:
    """Yield each row's answer or its error; `answer` covers only the rows that were valid."""
    readings, position = iter(answer.readings), -1
    for row, lesion in enumerate(sent["lesions"]):
        if isinstance(lesion, ApiError):
            yield refused_lesion(lesion.details.get("lesionID"), lesion.message, lesion.details)
            continue
        position += 1
        if position in answer.outside:
            details = {"field": "lesions", "row": row, "reason": PointOutsideScan.code}
            yield refused_lesion(lesion["lesionID"], PointOutsideScan.note, details)
        else:
            reading = next(readings)
            trust = trust_in(reading, is_recentered=sent.get("recenter", False))
            yield {**lesion_data(sent, lesion, reading.probability, call), **trust}


def refused_lesion(lesion_id: int | None, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return the error of one lesion of a batch; lesion_id is None where it could not be read."""
    error = {"status": "error", "error_code": "VALIDATION_ERROR", "message": message, "details": details}
    return {"lesionID": lesion_id, **error}


def trace(call: CallRecord, answer: LesionAnswer) -> dict[str, str]:
    return {"modelVersion": answer.model_version, "requestId": call.request_id}


class SliceViewSet(TokenIfRequired, PredictionViewSet):
    """The class of CT slices."""

    endpoints = {"create": Prediction.Endpoint.SLICE, "batch": Prediction.Endpoint.SLICE_BATCH}
    scope = SLICE_ENDPOINTS
    browsable_forms = {"create": SliceRequest}

    def max_bytes(self) -> int:
        return BATCH_BYTES if self.action == "batch" else settings.MAX_PICTURE_BYTES

    @extend_schema(
        operation_id="predict_ct",
        tags=["inference"],
        request={"multipart/form-data": SliceRequest},
        responses={200: SliceResponse, **SLICE_ERRORS},
    )
    def create(self, request: Request) -> Response:
        """Return the class of one CT slice."""
        sent = SliceRequest.read(request.data)
        answer = actions.classify_slice(call=self.running_call(), path=path_of(sent["file"]))
        return Response({**slice_data(answer), **slice_trust(answer)})

    @extend_schema(
        operation_id="predict_ct_batch",
        tags=["inference"],
        request={"multipart/form-data": SliceBatchRequest},
        responses={200: SliceBatchResponse, **SLICE_ERRORS},
    )
    def batch(self, request: Request) -> Response:
        """Return the class of up to 16 CT slices, in the order sent; one that cannot be read fails alone."""
        sent = SliceBatchRequest.read(request.data)
        paths = [path_of(file) for file in sent["file"]]
        results = actions.classify_slices(call=self.running_call(), paths=paths)
        return Response({"status": "success", "results": [slice_result(result) for result in results]})


def slice_data(answer: SliceAnswer) -> dict[str, Any]:
    return {
        "pred_index": answer.pred_index,
        "pred_class": answer.pred_class,
        "confidence": answer.confidence,
        "probabilities": answer.probabilities,
    }


def slice_trust(answer: SliceAnswer) -> dict[str, Any]:
    return {"warnings": as_json(answer.warnings), "modelVersion": answer.model_version}


def slice_result(result: SliceAnswer | InvalidImageFile) -> dict[str, Any]:
    if isinstance(result, SliceAnswer):
        return {"status": "success", "data": slice_data(result), **slice_trust(result)}
    error = error_mapping.answer_for(result)
    return {
        "status": "error",
        "error_code": error.error_code,
        "message": str(error.detail),
        "details": error.details,
    }
