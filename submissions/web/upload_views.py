"""The page of files that a person has begun to send, and deleting one of them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from submissions.models import Phase, Upload
from submissions.storage.base import StorageError
from submissions.uploads.listing import uploads_of
from submissions.uploads.resumable import drop

# Pages that list the files of their form.
WITH_FORM = ("/phases/", "/challenges/", "/organise/datasets/")


@login_required
@never_cache
@require_safe
def uploads(request: HttpRequest) -> HttpResponse:
    """List the uploads, and the phases in which one can go on with them."""
    now = timezone.now()
    phases = Phase.objects.visible_to(request.user).filter(accepts_docker=True)
    context = {"uploads": uploads_of(request.user), "phases": [phase for phase in phases if phase.is_open(now)]}
    return render(request, "account/uploads.html", context)


@login_required
@require_POST
def delete(request: HttpRequest, begun: Any) -> HttpResponse:
    found = Upload.objects.visible_to(request.user).filter(pk=begun).first()
    if found is None:
        raise Http404
    try:
        drop(found)
        messages.success(request, "Deleted.")
    except StorageError as error:
        messages.error(request, error.message)
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    if not is_ours or not target.startswith(WITH_FORM):
        return redirect("uploads")
    return redirect(f"{target}?send=docker#submit" if target.startswith("/phases/") else target)
