"""Submit a Docker image by form: streamed to storage as it arrives, or sent earlier as a resumable upload."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.actions.submit_image import no_such_upload
from submissions.models import Phase, Submission, Upload
from submissions.storage.base import StorageError
from submissions.uploads.body import guard_body
from submissions.uploads.handler import FILE_FIELD, FORM_BYTES, MODEL_FIELD, ImageUploadHandler, ReceivedFile
from submissions.web.image_forms import ImageForm
from submissions.web.same_file import SameFile, ask_about_image, ask_about_upload
from submissions.web.views import phase_context, phase_of


@csrf_exempt  # only until the handler is set: the CSRF check reads the body, so it runs afterwards
@login_required
def submit_docker(request: HttpRequest, slug: str) -> HttpResponse:
    """Receive an image and submit it; problems are shown on the phase page and cost no try."""
    phase = phase_of(request, slug)
    if request.method != "POST":
        return redirect("phase", slug=slug)
    request.received_at = timezone.now()  # type: ignore[attr-defined]
    handler = ImageUploadHandler(request)
    request.upload_handlers = [handler]
    guard_body(request, settings.MAX_IMAGE_BYTES + FORM_BYTES)
    try:
        return _take(request, phase)
    except SameFile as same:
        asked = ImageForm(same.form_data(request, "upload"), phase=phase)
        return _phase_again(request, phase, asked, status=409, same_file=same.earlier)
    except (ApiError, StorageError) as refusal:
        return _phase_again(request, phase, ImageForm(phase=phase), status=refusal.status_code, refusal=refusal)
    finally:
        handler.close()


@csrf_protect
def _take(request: HttpRequest, phase: Phase) -> HttpResponse:
    form = ImageForm(request.POST, phase=phase)
    if not form.is_valid():
        return _phase_again(request, phase, form, status=400)
    return redirect("submission", pk=_submit(request, phase, form).pk)


def _submit(request: HttpRequest, phase: Phase, form: ImageForm) -> Submission:
    common: dict[str, Any] = {"user": request.user, "phase": phase, "received_at": request.received_at}  # type: ignore[attr-defined]
    _ask_about(request, phase, form)
    sent = {"archive_id": form.cleaned_data["model_archive"], "received": request.FILES.get(MODEL_FIELD)}
    with actions.model_archive_of(common["user"], now=common["received_at"], **sent) as archive:
        return _submit_image(request, form, common, form.to_submit() | {"model_archive": archive})


def _ask_about(request: HttpRequest, phase: Phase, form: ImageForm) -> None:
    """Raise SameFile for an image that was sent before. With weights apart from it, it may be another model."""
    if form.cleaned_data["model_archive"] or request.FILES.get(MODEL_FIELD):
        return
    key, image = form.cleaned_data["idempotency_key"], request.FILES.get(FILE_FIELD)
    mine = Upload.objects.visible_to(request.user).filter(purpose=Upload.Purpose.IMAGE)
    if form.cleaned_data["image"]:  # sent again on purpose
        return
    if (wanted := form.cleaned_data["upload"]) and (upload := mine.filter(pk=wanted).first()):
        ask_about_upload(request, phase, upload, key)
    elif isinstance(image, ReceivedFile):
        ask_about_image(request, phase, image, key)


def _submit_image(request: HttpRequest, form: ImageForm, common: dict[str, Any], fields: dict[str, Any]) -> Submission:
    if earlier := form.cleaned_data["image"]:
        return actions.submit_again(earlier_id=earlier, **common, **fields)
    if wanted := form.cleaned_data["upload"]:
        upload = Upload.objects.visible_to(common["user"]).filter(pk=wanted, purpose=Upload.Purpose.IMAGE).first()
        if upload is None:
            raise no_such_upload()
        return actions.submit_upload(upload=upload, **common, **fields)
    image = request.FILES.get(FILE_FIELD)
    if image is None and (reference := form.cleaned_data["image_reference"]):
        return actions.submit_reference(image_reference=reference, **common, **fields)
    if not isinstance(image, ReceivedFile):
        raise ApiError(400, "FILE_REQUIRED", "Choose the image archive first.", field="file")
    return actions.submit_image(image=image, **common, **fields)


def _phase_again(request: HttpRequest, phase: Phase, form: ImageForm, *, status: int, **more: Any) -> HttpResponse:
    context = phase_context(request, phase, image_form=form, send_docker=True, **more)
    return render(request, "submissions/phase.html", context, status=status)
