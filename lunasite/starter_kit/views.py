"""Serve the starter kit of a phase, whole or in ranges."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.http import require_safe

from lunasite.http.files.ranges import ranged_file
from lunasite.http.limits.dear_work import caller_of, dear_page, one_at_a_time, paced
from lunasite.starter_kit.archive import digest_of, kit_file, kit_path
from lunasite.starter_kit.contents import contents_of
from submissions.models import Phase
from submissions.storage.base import StorageError


@require_safe
@paced
@dear_page
def starter_kit(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Send the zip; nothing in it is secret, so whoever sees the phase may have it."""
    phase = get_object_or_404(Phase.objects.visible_to(request.user).select_related("dataset"), slug=slug)
    contents = contents_of(phase)
    digest = digest_of(contents)
    try:
        file = kit_path(phase, digest)
        if not file.is_file():
            with one_at_a_time(caller_of(request)):
                file = kit_file(phase, contents, digest)
    except StorageError as error:
        return HttpResponse(error.message, status=error.status_code, content_type="text/plain; charset=utf-8")
    name = f"{phase.slug}-starter-kit.zip"
    return ranged_file(request, file, name, sha256=digest, content_type="application/zip")


urlpatterns = [path("phases/<slug:slug>/starter-kit.zip", starter_kit, name="starter_kit")]
