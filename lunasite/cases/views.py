"""The page of a case, its slices and its volume. Who may see which case, submissions.datasets.case_access decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from math import prod
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_safe

from inference.ct.planes import WINDOWS, Planes, as_png, grey
from inference.ct.reading.errors import InvalidImageFile
from inference.ct.reading.picture import read_picture
from inference.feedback.windows import WINDOWS as GREY_WINDOWS
from inference.feedback.windows import windowed
from inference.web.picture_look import look_context
from lunasite.cases.looking import Look
from lunasite.cases.volume_cache import is_at_hand, mapped_volume
from lunasite.http.limits.dear_work import caller_of, count_call, dear_page, one_at_a_time, paced
from submissions.datasets.case_access import cases_visible_to, points_shown
from submissions.models import Case, Phase, Split
from submissions.presenters.score_table import truth_text
from submissions.storage.base import StorageError
from submissions.storage.files import on_this_machine, store
from submissions.worker.case_files import image_pieces

VOLUME = ".mha"
PICTURE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}
EDGES = {"axial": ("R", "A"), "coronal": ("R", "H"), "sagittal": ("A", "H")}
FAULTS = (InvalidImageFile, StorageError, OSError)


def _phase_and_case(request: HttpRequest, slug: str, public_id: str) -> tuple[Phase, Case]:
    """Return a case that the user may look at; for anybody else it does not exist (404)."""
    phase = get_object_or_404(Phase.objects.visible_to(request.user).select_related("dataset"), slug=slug)
    cases = cases_visible_to(request.user, phase).exclude(image="").select_related("dataset")
    return phase, get_object_or_404(cases, public_id=public_id)


@require_safe
@paced
@dear_page
def case_page(request: HttpRequest, slug: str, public_id: str) -> HttpResponse:
    """Show a case: its picture or a slice of its volume, with links to the next; and the viewer, where there is one."""
    phase, case = _phase_and_case(request, slug, public_id)
    context = {
        "phase": phase,
        "case": case,
        "truth": truth_text(phase, case.truth) if case.split == Split.SAMPLE else "",
        "facts": phase.kind.shown(case.facts),
        **_neighbours(request, phase, case),
        "neighbour_query": replace(Look.of(request.GET), index=None).query,
    }
    try:
        bring_to_hand(request, case)
        context |= volume_context(case, request.GET) if _is_volume(case) else picture_context(request.GET)
    except FAULTS:
        return render(request, "cases/case.html", context | {"is_away": True}, status=503)
    return render(request, "cases/case.html", context)


def _neighbours(request: HttpRequest, phase: Phase, case: Case) -> dict[str, Any]:
    """Return the cases of the same split before and after this one."""
    alike = cases_visible_to(request.user, phase).filter(split=case.split).exclude(image="")
    return {
        "previous_case": alike.filter(position__lt=case.position).last(),
        "next_case": alike.filter(position__gt=case.position).first(),
    }


def volume_context(case: Case, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the slices of a case need. Raises one of FAULTS."""
    planes, points = Planes.of(mapped_volume(case.image).grid), points_shown(case)
    look = Look.of(query).within(planes, points)
    assert look.index is not None
    count = planes.count(look.plane)
    height_mm, width_mm = planes.size_mm(look.plane)
    left, top = EDGES[look.plane]
    return {
        "look": look,
        "count": count,
        "number": look.index + 1,
        "height_mm": height_mm,
        "width_mm": width_mm,
        "edges": {"left": left, "top": top},
        "crosses": [
            planes.place_of(look.plane, point) for point in points if planes.index_at(look.plane, point) == look.index
        ],
        "point": ",".join(f"{value:g}" for value in points[0]) if points else "",
        "steps": _steps(look, count),
        "planes": [(name, replace(look, plane=name, index=None).query) for name in EDGES],
        "windows": [(name, look.through(name).query) for name in WINDOWS],
        "bytes": store("datasets").size(case.image),
        "voxels": prod(planes.grid.shape_zyx),
    }


def _steps(look: Look, count: int) -> list[tuple[str, str]]:
    """Return (words, query) of the slices to go to from here; the query is empty where there is none."""
    here = look.index or 0
    wanted = [("Back 10", here - 10), ("Previous", here - 1), ("Next", here + 1), ("On 10", here + 10)]
    return [(words, look.at(index).query if 0 <= index < count else "") for words, index in wanted]


@require_safe
@paced
@dear_page
def case_slice(request: HttpRequest, slug: str, public_id: str) -> HttpResponse:
    """Send one slice as PNG, in its own voxels; of a case that is a picture, the picture."""
    _, case = _phase_and_case(request, slug, public_id)
    look = Look.of(request.GET)
    named = request.GET.get("window", "")[:40]  # of a picture, none is another than the usual one of a volume
    etag = f'"{sha256(f"{case.image} {case.pk} {look.query} {named}".encode()).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={**PICTURE_HEADERS, "ETag": etag})
    try:
        bring_to_hand(request, case)
        png = slice_png(case, look) if _is_volume(case) else _picture_png(case, request.GET.get("window", ""))
    except FAULTS:
        return HttpResponse("The image cannot be read at the moment; try again later.", status=503)
    return HttpResponse(png, content_type="image/png", headers={**PICTURE_HEADERS, "ETag": etag})


def bring_to_hand(request: HttpRequest, case: Case) -> None:
    """Decode a case's volume unless it lies decoded; a caller decodes one at a time. Raises ApiError(429), FAULTS."""
    if _is_volume(case) and not is_at_hand(case.image):
        with one_at_a_time(caller_of(request)):
            mapped_volume(case.image)


def picture_context(query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the picture of a case needs: no slices, but windows of its grey levels and zoom."""
    return {"is_picture": True, "keep": "", **look_context(query)}


def slice_png(case: Case, look: Look) -> bytes:
    """Return a slice of a case's volume. Raises one of FAULTS."""
    volume = mapped_volume(case.image)
    planes = Planes.of(volume.grid)
    look = look.within(planes, points_shown(case))
    assert look.index is not None
    return as_png(grey(planes.cut(volume.voxels, look.plane, look.index), look.level, look.width))


def _picture_png(case: Case, window: str) -> bytes:
    """Return the picture re-encoded: its pixels alone, whatever else the file holds. window: by its name, if any."""
    with on_this_machine(case.image, "datasets") as file:
        png = read_picture(file).as_png()
    return windowed(BytesIO(png), window) if window in GREY_WINDOWS else png


@require_safe
@paced
@dear_page
def case_volume(request: HttpRequest, slug: str, public_id: str) -> HttpResponseBase:
    """Send the volume for the viewer, as containers get it: its header names the geometry alone."""
    _, case = _phase_and_case(request, slug, public_id)
    if not _is_volume(case):
        raise Http404
    count_call("dear", caller_of(request))
    response = StreamingHttpResponse(image_pieces(case.image), content_type="application/octet-stream")
    response.may_change_threads = True  # type: ignore[attr-defined]  # no thread waits for it
    response["Content-Disposition"] = 'attachment; filename="scan.mha"'
    for name, value in PICTURE_HEADERS.items():
        response[name] = value
    return response


def _is_volume(case: Case) -> bool:
    return case.image.lower().endswith(VOLUME)


urlpatterns = [
    path("phases/<slug:slug>/cases/<path:public_id>/look/", case_page, name="case_page"),
    path("phases/<slug:slug>/cases/<path:public_id>/slice.png", case_slice, name="case_slice"),
    path("phases/<slug:slug>/cases/<path:public_id>/volume.mha", case_volume, name="case_volume"),
]
