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
from submissions.models import Phase, Submission, Upload
from submissions.storage.base import StorageError
from submissions.uploads.body import guard_body
from submissions.uploads.form_handler import FormUploadHandler
from submissions.uploads.handler import FILE_FIELD, FORM_BYTES, MODEL_FIELD, ReceivedFile
from submissions.web.image_forms import ImageForm
from submissions.web.same_file import SameFile, ask_about_image, ask_about_upload
from submissions.web.send_again import as_uuid
from submissions.web.views import phase_context, phase_of

WITHOUT_KEPT = "without_kept"  # the name of the button that drops the file which is here from the form


@csrf_exempt  # only until the handler is set: the CSRF check reads the body, so it runs afterwards
@login_required
def submit_docker(request: HttpRequest, slug: str) -> HttpResponse:
    """Receive an image and submit it; problems cost no try and are shown on the phase page, above the form as sent."""
    phase = phase_of(request, slug)
    if request.method != "POST":
        return redirect("phase", slug=slug)
    request.received_at = timezone.now()  # type: ignore[attr-defined]
    handler = FormUploadHandler(request)
    request.upload_handlers = [handler]
    guard_body(request, settings.MAX_IMAGE_BYTES + FORM_BYTES)
    try:
        return _take(request, phase, handler)
    except SameFile as same:
        asked = ImageForm(same.form_data(request, "upload"), phase=phase)
        return _phase_again(request, phase, asked, status=409, same_file=same.earlier)
    except (ApiError, StorageError) as refusal:
        return _as_sent(request, phase, handler, status=refusal.status_code, refusal=refusal)
    finally:
        handler.close()


@csrf_protect
def _take(request: HttpRequest, phase: Phase, handler: FormUploadHandler) -> HttpResponse:
    form = ImageForm(request.POST, phase=phase)
    if handler.refusal:
        raise handler.refusal
    if WITHOUT_KEPT in request.POST:
        return _as_sent(request, phase, handler, status=200)
    if not form.is_valid():
        return _as_sent(request, phase, handler, status=400)
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
    if isinstance(image, ReceivedFile):
        ask_about_image(request, phase, image, key)
    elif form.cleaned_data["image"]:  # sent again on purpose
        return
    elif upload := _upload_of(request.user, form.cleaned_data["upload"]):
        ask_about_upload(request, phase, upload, key)


def _submit_image(request: HttpRequest, form: ImageForm, common: dict[str, Any], fields: dict[str, Any]) -> Submission:
    """Submit what names the image: a file that was chosen, before anything that the form was filled in with."""
    image = request.FILES.get(FILE_FIELD)
    if isinstance(image, ReceivedFile):
        return actions.submit_image(image=image, **common, **fields)
    if earlier := form.cleaned_data["image"]:
        return actions.submit_again(earlier_id=earlier, **common, **fields)
    if wanted := form.cleaned_data["upload"]:
        return actions.submit_upload(upload=_upload_of(common["user"], wanted), **common, **fields)
    if reference := form.cleaned_data["image_reference"]:
        return actions.submit_reference(image_reference=reference, **common, **fields)
    raise ApiError(400, "FILE_REQUIRED", "Choose the image archive first.", field="file")


def _upload_of(user: Any, pk: Any) -> Upload | None:
    """Return the user's upload of an image with this id, None if there is none."""
    return Upload.objects.visible_to(user).filter(pk=pk, purpose=Upload.Purpose.IMAGE).first() if pk else None


def _as_sent(
    request: HttpRequest, phase: Phase, handler: FormUploadHandler, *, status: int, **more: Any
) -> HttpResponse:
    """Show the form with everything that was typed, and with the upload that has arrived, if it is still there."""
    data = request.POST.copy()
    kept = None if WITHOUT_KEPT in data else _upload_of(request.user, as_uuid(data.get("upload", "")))
    data["upload"] = str(kept.pk) if kept else ""
    form = ImageForm(data, phase=phase) if request.POST else ImageForm(phase=phase)
    shown = {"kept_upload": kept, "file_is_lost": handler.has_seen_file, "fields_are_lost": not request.POST}
    return _phase_again(request, phase, form, status=status, **shown, **more)


def _phase_again(request: HttpRequest, phase: Phase, form: ImageForm, *, status: int, **more: Any) -> HttpResponse:
    context = phase_context(request, phase, image_form=form, send_docker=True, **more)
    return render(request, "submissions/phase.html", context, status=status)
