"""The Data page of a challenge, the download of a file, and what its organisers do with both."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from lunasite.http.errors import ApiError
from lunasite.http.files.ranges import ranged_file
from submissions.data_files.actions import add_data_file, withdraw_data_file
from submissions.data_files.forms import DataFileForm
from submissions.data_files.handed_out import handed_out
from submissions.data_files.receiving import FIELD, FORM_BYTES, DataFileUploadHandler
from submissions.models import Challenge, Phase
from submissions.models.access import may
from submissions.participation.terms import terms_of
from submissions.storage.base import StorageError
from submissions.storage.files import store, url_for
from submissions.uploads.body import guard_body

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
    visible = Phase.objects.visible_to(request.user).filter(challenge=challenge)
    phases = list(visible.select_related("dataset", "challenge"))
    context = {
        "challenge": challenge,
        "challenge_phases": phases,
        "files": _files_for(request.user, challenge),
        "parts": handed_out(phases, request.user),
        "is_organiser": may(request.user, CHANGE, challenge),
        "form": form,
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
            return redirect(f"{settings.LOGIN_URL}?next={request.path}")
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
    form = DataFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, challenge, form, status=400)
    arrived: Any = request.FILES[FIELD]
    try:
        add_data_file(
            challenge=challenge, user=request.user, stored=arrived.keep(), name=arrived.name, **form.described()
        )
    except ApiError as refusal:
        store().delete(arrived.stored.key)
        form.add_error(refusal.details.get("field"), refusal.message)
        return _page(request, challenge, form, status=refusal.status_code)
    messages.success(request, f"{arrived.name} is on the page.")
    return redirect("challenge_data", slug=challenge.slug)


@login_required
@require_POST
def withdraw_file(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    challenge = get_object_or_404(Challenge.objects.managed_by(request.user, CHANGE), slug=slug)
    file = get_object_or_404(challenge.data_files.shown(), pk=pk)  # type: ignore[attr-defined]
    withdraw_data_file(file=file, user=request.user)
    messages.success(request, f"{file} is handed out no longer.")
    return redirect("challenge_data", slug=challenge.slug)
