"""The feedback form, in which users report whether an answer was right."""

import tempfile
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from inference import actions
from inference.api.base import known
from inference.ct.reading.errors import InvalidImageFile
from inference.models import Feedback
from inference.networks.answers import ServiceError
from inference.web.forms import FeedbackForm
from inference.web.page_uploads import takes_upload, too_often
from lunasite.http.errors import ApiError
from lunasite.http.limits.throttling import ExactThrottle
from lunasite.http.limits.upload_limits import path_of


@require_http_methods(["GET", "HEAD", "POST"])
def feedback_form(request: HttpRequest) -> HttpResponseBase:
    if request.method == "POST":
        return send_feedback(request)
    return render(request, "inference/feedback.html", {"form": FeedbackForm()})


# The whole view is exempt, because reading the token would read the body; send_feedback checks the token itself.
feedback_form.csrf_exempt = True  # type: ignore[attr-defined]


@takes_upload(max_bytes=lambda: settings.MAX_PICTURE_BYTES, needs_login=lambda: settings.PREDICT_NEEDS_TOKEN)
def send_feedback(request: HttpRequest) -> HttpResponse:
    throttle = ExactThrottle()
    if not throttle.allow_request(request, Scope()):  # type: ignore[arg-type]
        return too_often(request, throttle.wait() or 60)
    form = FeedbackForm(request.POST, request.FILES)
    if form.is_spam:
        return thanks(request)
    if not form.is_valid():
        return render(request, "inference/feedback.html", {"form": form}, status=400)
    try:
        keep(request.user, form.cleaned_data)
    except (InvalidImageFile, ServiceError, OSError) as error:
        return problem(request, form, error)
    return thanks(request)


def thanks(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Thank you. A reviewer will look at it.")
    return redirect("try_it")


class Scope:
    throttle_scope = "feedback"


def keep(user: Any, values: dict[str, Any]) -> Feedback:
    """Record a verdict with the uploaded file or with the picture that was shown."""
    fields = {
        "user": user,
        "predicted_class": values["predicted_class"],
        "is_correct": values["is_correct"] == "true",
        "correct_class": values["correct_class"],
        "confidence": values["confidence"],
        "note": values["note"],
    }
    upload = values.get("file")
    if upload:
        return actions.record_feedback(path=path_of(upload), original_name=upload.name or "", **fields)
    with tempfile.NamedTemporaryFile(suffix=".png") as shown:
        shown.write(values["picture"])
        shown.flush()
        return actions.record_feedback(path=shown.name, original_name=values["picture_name"], **fields)


def problem(request: HttpRequest, form: FeedbackForm, error: Exception) -> HttpResponse:
    answer = known(error)
    if not isinstance(answer, ApiError):
        raise error
    form.add_error("file", str(answer.detail))
    return render(request, "inference/feedback.html", {"form": form}, status=answer.status_code)
