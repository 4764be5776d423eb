"""Try the models in a browser: a slice, or a volume and a coordinate."""

import base64
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inference import actions
from inference.api import error_mapping
from inference.api.base import known
from inference.api.throttling import LESION_ENDPOINTS, SLICE_ENDPOINTS
from inference.call_log import CallRecord
from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.models import Prediction
from inference.networks.answer_warnings import as_json
from inference.networks.answers import (
    NO_WISHES,
    LesionReading,
    LesionViews,
    LesionWishes,
    ServiceError,
    SliceExplanation,
)
from inference.web import examples
from inference.web.forms import INLINE_PICTURE_BYTES, FeedbackForm, LesionForm, SliceForm
from inference.web.page_uploads import takes_upload
from lunasite.http.errors import ApiError
from lunasite.http.limits.upload_limits import path_of

FAULTS = (InvalidImageFile, PointOutsideScan, ServiceError, OSError)
PLANES = (("axial", "R", "A"), ("coronal", "R", "H"), ("sagittal", "A", "H"))


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def page(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """Show both forms, with the submitted values in the one just used, and the result."""
    forms = {"slice_form": SliceForm(prefix="slice"), "lesion_form": LesionForm(prefix="lesion")}
    return render(request, "inference/try.html", {**forms, **context}, status=status)


@require_safe
def try_it(request: HttpRequest) -> HttpResponse:
    return page(request)


@takes_upload(
    max_bytes=lambda: settings.MAX_PICTURE_BYTES,
    needs_login=lambda: settings.PREDICT_NEEDS_TOKEN,
    endpoints=SLICE_ENDPOINTS,
)
def try_slice(request: HttpRequest) -> HttpResponse:
    form = SliceForm(request.POST, request.FILES, prefix="slice")
    if not form.is_valid():
        return page(request, 400, slice_form=form)
    call = CallRecord.of(request, Prediction.Endpoint.TRY_SLICE)
    upload = form.cleaned_data["file"]
    try:
        explanation = actions.explain_slice(call=call, path=path_of(upload))
    except FAULTS as error:
        return fault(request, call, error, slice_form=form)
    call.save(200)
    return page(request, slice=slice_context(explanation, upload.name or ""))


@takes_upload(max_bytes=lambda: settings.MAX_VOLUME_BYTES, needs_login=lambda: True, endpoints=LESION_ENDPOINTS)
def try_lesion(request: HttpRequest) -> HttpResponse:
    if "example" in request.POST:
        return try_example(request)
    form = LesionForm(request.POST, request.FILES, prefix="lesion")
    if not form.is_valid():
        return page(request, 400, lesion_form=form)
    raw = form.cleaned_data["rawFile"]
    paths = path_of(form.cleaned_data["file"]), path_of(raw) if raw else None
    return look(request, *paths, form.point_xyz_mm, form.wishes, lesion_form=form)


def try_example(request: HttpRequest) -> HttpResponse:
    """Predict the phantom's nodule and show its views."""
    with examples.phantom_file() as path:
        return look(request, path, None, examples.phantom().point_xyz_mm, is_example=True)


def look(
    request: HttpRequest,
    path: str,
    raw_path: str | None,
    point_xyz_mm: tuple[float, float, float],
    wishes: LesionWishes = NO_WISHES,
    **context: Any,
) -> HttpResponse:
    call = CallRecord.of(request, Prediction.Endpoint.TRY_LESION)
    try:
        views = actions.look_at_lesion(
            call=call, path=path, raw_path=raw_path, point_xyz_mm=point_xyz_mm, wishes=wishes
        )
    except FAULTS as error:
        return fault(request, call, error, **context)
    call.save(200)
    return page(request, lesion=lesion_context(views), **context)


def fault(request: HttpRequest, call: CallRecord, error: Exception, **context: Any) -> HttpResponse:
    """Show why there is no answer, with the same sentence as the API."""
    answer = known(error)
    if not isinstance(answer, ApiError):
        raise error_mapping.answer_for(error)
    call.save(answer.status_code, answer.error_code, str(answer.details.get("reason", "")))
    return page(request, answer.status_code, problem=answer.detail, **context)


def percent_of(probability: float) -> int:
    """Return a whole percentage, never 0 or 100, because the model is never certain."""
    return min(99, max(1, round(100 * probability)))


def spoken(class_name: str) -> str:
    return class_name.replace("_", " ")


def trust_context(reading: LesionReading) -> dict[str, Any]:
    """Return what the page shows of how far a lesion's answer can be trusted."""
    has_interval = reading.low is not None and reading.high is not None
    return {
        "warnings": as_json(reading.warnings),
        "is_no_lesion": "POINT_NOT_IN_LUNG_LESION" in reading.warnings,
        "interval": (percent_of(reading.low or 0.0), percent_of(reading.high or 0.0)) if has_interval else None,
        "diameter_mm": reading.diameter_mm,
        "moved_mm": reading.moved_mm,
    }


def slice_context(explanation: SliceExplanation, name: str) -> dict[str, Any]:
    answer = explanation.answer
    initial = {"predicted_class": answer.pred_class, "confidence": round(answer.confidence, 6), "picture_name": name}
    if len(explanation.picture) <= INLINE_PICTURE_BYTES:
        initial["picture"] = base64.b64encode(explanation.picture).decode()
    return {
        "answer": answer,
        "percent": percent_of(answer.confidence),
        "warnings": as_json(answer.warnings),
        "name": spoken(answer.pred_class),
        "rows": [
            {"name": spoken(name), "probability": probability}
            for name, probability in sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
        ],
        "picture": data_uri(explanation.picture),
        "overlay": data_uri(explanation.overlay),
        "strongest_drop": max((max(row) for row in explanation.drops if row), default=0.0),
        "feedback_form": FeedbackForm(initial=initial),
    }


def lesion_context(views: LesionViews) -> dict[str, Any]:
    probability = views.answer.readings[0].probability
    planes = [
        {"name": name, "picture": data_uri(getattr(views, name)), "left": left, "top": top}
        for name, left, top in PLANES
    ]
    return {
        "probability": probability,
        "percent": percent_of(probability),
        "planes": planes,
        "field_mm": round(views.field_mm),
        "bar_width": round(1000 / views.field_mm, 2),  # 10 mm, where the picture is 100 wide
        "point": ", ".join(f"{round(value, 2):g}" for value in views.answer.readings[0].point_xyz_mm),
        **trust_context(views.answer.readings[0]),
        "version": views.answer.model_version,
        "milliseconds": views.answer.processing_ms,
    }
