"""The Data page of a challenge, the download of a file, and what its organisers do with both."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from lunasite.http.errors import ApiError
from lunasite.http.files.ranges import ranged_file
from submissions.data_files.actions import add_data_file, add_upload, withdraw_data_file
from submissions.data_files.forms import DataFileForm
from submissions.data_files.handed_out import handed_out
from submissions.models import Challenge, DataFile, Phase, Upload
from submissions.models.access import may
from submissions.participation.terms import terms_of
from submissions.phases.storage_budget import check_budget
from submissions.storage import files as storage
from submissions.storage.base import StorageError
from submissions.storage.files import store, url_for
from submissions.uploads.body import guard_body
from submissions.uploads.handler import FILE_FIELD, FORM_BYTES, DataFileUploadHandler, ReceivedFile
from submissions.uploads.listing import uploads_of

CHANGE = "submissions.change_challenge"


def challenge_of(request: HttpRequest, slug: str) -> Challenge:
    """Return a challenge that the user may see; for anybody else it does not exist (404)."""
    return get_object_or_404(Challenge.objects.visible_to(request.user), slug=slug)


@require_safe
def data_page(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, challenge_of(request, slug), DataFileForm())


def _page(
    request: HttpRequest, challenge: Challenge, form: DataFileForm, status: int = 200, **more: Any
) -> HttpResponse:
    is_organiser = may(request.user, CHANGE, challenge)
    visible = Phase.objects.visible_to(request.user).filter(challenge=challenge)
    phases = list(visible.select_related("dataset", "challenge"))
    context = {
        "challenge": challenge,
        "challenge_phases": phases,
        "files": _files_for(request.user, challenge),
        "parts": handed_out(phases, request.user),
        "is_organiser": is_organiser,
        "form": form,
        "arrived": form.arrived(request.user) if form.is_bound else None,
        "uploads": uploads_of(request.user, Upload.Purpose.DATA) if is_organiser else [],
    }
    return render(request, "submissions/data/page.html", context | more, status=status)


def _files_for(user: Any, challenge: Challenge) -> list[dict[str, Any]]:
    """Return each file with why the user may not download it."""
    files = list(challenge.data_files.shown())  # type: ignore[attr-defined]
    are_met = _terms_are_met(user, challenge) if files else False
    return [{"file": file, "refusal": file.refusal_for(user, are_met)} for file in files]


def _terms_are_met(user: Any, challenge: Challenge) -> bool:
    """Who decides about the challenge need not ask to take part."""
    return may(user, CHANGE, challenge) or terms_of(challenge, user).are_met


@require_safe
def data_file(request: HttpRequest, slug: str, pk: int, name: str) -> HttpResponseBase:
    """Send a file, whole or in ranges; a file in an object store by the store itself, which takes ranges too."""
    challenge = challenge_of(request, slug)
    file = get_object_or_404(challenge.data_files.shown(), pk=pk, name=name)  # type: ignore[attr-defined]
    if file.refusal_for(request.user, _terms_are_met(request.user, challenge)):
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return _page(request, challenge, DataFileForm(), status=403, refused=file)
    path = store().local_path(file.key)
    if path is None:
        return HttpResponseRedirect(url_for(file.key, file.name))
    if not path.is_file():
        raise Http404("The file is gone.")
    return ranged_file(request, path, file.name, sha256=file.sha256)


@csrf_exempt  # only until the handler is set: the CSRF check reads the body, so it runs afterwards
@login_required
@require_POST
def add_file(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a file of any size from an organiser."""
    challenge = get_object_or_404(Challenge.objects.managed_by(request.user, CHANGE), slug=slug)
    handler = DataFileUploadHandler(request)
    request.upload_handlers = [handler]
    guard_body(request, settings.MAX_IMAGE_BYTES + FORM_BYTES)
    try:
        return _take(request, challenge)
    except (ApiError, StorageError) as refusal:
        return _page(request, challenge, DataFileForm(), status=refusal.status_code, refusal=refusal)
    finally:
        handler.close()


@csrf_protect
def _take(request: HttpRequest, challenge: Challenge) -> HttpResponse:
    form = DataFileForm(request.POST)
    if not form.is_valid():
        return _page(request, challenge, form, status=400)
    common = {"challenge": challenge, "user": request.user, **form.described()}
    try:
        file = _add(request, form, common)
    except ApiError as refusal:
        form.add_error(refusal.details.get("field"), refusal.message)
        return _page(request, challenge, form, status=refusal.status_code)
    except StorageError as refusal:
        return _page(request, challenge, form, status=refusal.status_code, refusal=refusal)
    messages.success(request, f"{file.name} is on the page.")
    return redirect("challenge_data", slug=challenge.slug)


def _add(request: HttpRequest, form: DataFileForm, common: dict[str, Any]) -> DataFile:
    """Add the file that was uploaded before in parts, or the one sent with the form. Raises ApiError, StorageError."""
    if upload := form.arrived(request.user):
        return add_upload(upload=upload, **common)
    received = request.FILES.get(FILE_FIELD)
    if not isinstance(received, ReceivedFile):
        raise ApiError(400, "FILE_REQUIRED", "Choose the file first; one that was sent before has expired by now.")
    check_budget(request.user, None, received.size or 0)  # type: ignore[arg-type]
    stored = received.keep()
    try:
        return add_data_file(stored=stored, name=received.original_name, **common)
    except ApiError:
        storage.delete(stored.key)
        raise


@login_required
@require_POST
def withdraw_file(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    challenge = get_object_or_404(Challenge.objects.managed_by(request.user, CHANGE), slug=slug)
    file = get_object_or_404(challenge.data_files.shown(), pk=pk)  # type: ignore[attr-defined]
    withdraw_data_file(file=file, user=request.user)
    messages.success(request, f"{file} is handed out no longer.")
    return redirect("challenge_data", slug=challenge.slug)
