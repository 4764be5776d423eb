"""The pages of an import: the form with its files, the progress, the end with what to do next."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lunasite.http.errors import ApiError
from submissions.actions.staff.reveal import reveal, why_secret
from submissions.datasets.access import datasets_visible_to, may_publish
from submissions.datasets.changes import sentences_of
from submissions.models import Dataset, DatasetImport, Phase, StatusConflict, Upload
from submissions.models.audit import record
from submissions.models.imports.dataset_import import IMPORT_PERMISSION
from submissions.organise.access import needs
from submissions.organise.imports.forms import ImportForm, form_values
from submissions.organise.imports.start import delete_files, repeat_import, start_import, stop_import
from submissions.storage.base import StorageError
from submissions.uploads.body import guard_body
from submissions.uploads.checks import MAX_TRUTH_BYTES
from submissions.uploads.handler import FORM_BYTES, DatasetUploadHandler, ReceivedFile
from submissions.uploads.listing import uploads_of
from submissions.web.polling import digest_of, poll_seconds

IN_ORDER = ("sample", "public", "private")
MOVED = "It has moved on meanwhile; this page shows how it stands."


@csrf_exempt  # only until the handler is set: the CSRF check reads the body, so it runs afterwards
@require_http_methods(["GET", "HEAD", "POST"])
@needs(IMPORT_PERMISSION)
def new_import(request: HttpRequest) -> HttpResponse:
    """Show the form of an import, or take its files and queue it."""
    if request.method != "POST":
        return _form_again(request, ImportForm(initial=_initial(request)), status=200)
    return _with_files(request, _start)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """Begin with the dataset that `?of=` names: its next version."""
    name = request.GET.get("of", "")
    of = datasets_visible_to(request.user).filter(name=name).order_by("-version").first() if name else None
    return {"name": of.name, "kind": of.kind} if of else {}


def _with_files(request: HttpRequest, take: Any, *given: Any) -> HttpResponse:
    """Stream the files of the request to storage while `take` reads the form; drop those it did not keep."""
    handler = DatasetUploadHandler(request)
    request.upload_handlers = [handler]
    guard_body(request, settings.MAX_IMAGE_BYTES + MAX_TRUTH_BYTES + FORM_BYTES)
    try:
        response: HttpResponse = take(request, *given)
        return response
    except (ApiError, StorageError) as refusal:
        return _form_again(request, ImportForm(), status=refusal.status_code, refusal=refusal)
    finally:
        handler.close()


@csrf_protect
def _start(request: HttpRequest) -> HttpResponse:
    form = ImportForm(request.POST)
    if not form.is_valid():
        return _form_again(request, form, status=400)
    try:
        row = start_import(
            user=request.user, kind=form.cleaned_data["kind"], name=form.cleaned_data["name"], options=form.options(),  # type: ignore[arg-type]
            is_dry_run="check" in request.POST, truth=_truth(request), images=_images(request, form),
        )  # fmt: skip
    except (ApiError, StorageError) as refusal:
        return _form_again(request, form, status=refusal.status_code, refusal=refusal)
    return redirect("dataset_import", pk=row.pk)


def _truth(request: HttpRequest) -> ReceivedFile:
    truth = request.FILES.get("truth")
    if not isinstance(truth, ReceivedFile):
        raise ApiError(400, "FILE_REQUIRED", "Choose the table of truth first.", field="truth")
    return truth


def _images(request: HttpRequest, form: ImportForm) -> ReceivedFile | Upload | None:
    """Return the images: uploaded before in parts, sent with this request, or none."""
    if wanted := form.cleaned_data["upload"]:
        purpose = Upload.Purpose.DATASET
        upload = Upload.objects.visible_to(request.user).filter(pk=wanted, purpose=purpose).first()
        if upload is None:
            raise ApiError(404, "NOT_FOUND", "The upload of the images is gone; choose them again.", field="upload")
        return upload
    images = request.FILES.get("images")
    return images if isinstance(images, ReceivedFile) else None


def _form_again(request: HttpRequest, form: ImportForm, *, status: int, **more: Any) -> HttpResponse:
    context = {"form": form, "uploads": uploads_of(request.user, Upload.Purpose.DATASET)}
    return render(request, "organise/import_new.html", context | more, status=status)


def _import_of(request: HttpRequest, pk: UUID) -> DatasetImport:
    return get_object_or_404(DatasetImport.objects.visible_to(request.user).select_related("dataset", "user"), pk=pk)


def _context(row: DatasetImport) -> dict[str, Any]:
    poll_s = poll_seconds(row.created_at, timezone.now())
    return {
        "row": row,
        "poll_s": poll_s,
        "seen": digest_of(row.pk, row.state, row.step, row.done, row.total, poll_s),
        "counts": [(split, row.counts[split]) for split in IN_ORDER if split in row.counts],
        "is_drawn": row.options.get("public_fraction") is not None,
        "changes": sentences_of(row.changes),
        "more": row.n_problems - len(row.problems),
    }


@require_safe
@needs(IMPORT_PERMISSION)
def import_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = _import_of(request, pk)
    form = ImportForm(initial=form_values(row.kind, row.name, row.options))
    return render(request, "organise/import.html", _context(row) | {"form": form})


@require_safe
@needs(IMPORT_PERMISSION)
def import_progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Render the fragment that htmx polls; when the import has ended, the page is loaded anew for what comes next.

    `seen` names what the reader's card shows; 204 if it shows the same as now, so that it stays as it is.
    """
    row = _import_of(request, pk)
    context = _context(row)
    if not row.is_over and request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    response = render(request, "organise/_import_progress.html", context)
    if row.is_over:
        response["HX-Refresh"] = "true"
    return response


@csrf_exempt  # as above
@require_POST
@needs(IMPORT_PERMISSION)
def import_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Run an ended import once more: for good after a check, or with a corrected table or other options."""
    return _with_files(request, _again, _import_of(request, pk))


@csrf_protect
def _again(request: HttpRequest, row: DatasetImport) -> HttpResponse:
    changed: dict[str, Any] = {}
    form = None
    if "name" in request.POST:
        form = ImportForm(request.POST)
        if not form.is_valid():
            return render(request, "organise/import.html", _context(row) | {"form": form}, status=400)
        changed = {"name": form.cleaned_data["name"], "kind": form.cleaned_data["kind"], "options": form.options()}
    truth = request.FILES.get("truth")
    sent = truth if isinstance(truth, ReceivedFile) else None
    try:
        repeat_import(row=row, is_dry_run="check" in request.POST, truth=sent, **changed)
    except StatusConflict:
        messages.info(request, MOVED)
    except (ApiError, StorageError) as refusal:
        if form is not None:
            context = _context(row) | {"form": form, "refusal": refusal}
            return render(request, "organise/import.html", context, status=refusal.status_code)
        messages.error(request, refusal.message)
    return redirect("dataset_import", pk=row.pk)


@require_POST
@needs(IMPORT_PERMISSION)
def import_stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop an import, or (button `delete`) delete the files of one that has ended."""
    row = _import_of(request, pk)
    try:
        if "delete" in request.POST and row.is_over:
            delete_files(row)
            messages.success(request, "The files of the import are deleted.")
            return redirect("organise")
        stop_import(row=row)
        messages.success(request, "The import is stopped; nothing is stored.")
    except StatusConflict:
        messages.info(request, MOVED)
    except StorageError as refusal:
        messages.error(request, refusal.message)
    return redirect("dataset_import", pk=pk)


@require_safe
@needs("submissions.view_dataset")
def dataset_page(request: HttpRequest, dataset: int) -> HttpResponse:
    """Show a dataset to its owner: counts, warnings, commitment, versions, phases. Never a truth."""
    visible = datasets_visible_to(request.user)
    found = get_object_or_404(visible, pk=dataset)
    context = {
        "dataset": found,
        "counts": counts_of(found),
        "n_images": found.cases.exclude(image="").count(),
        "versions": visible.filter(name=found.name).order_by("-version"),
        "phases": Phase.objects.visible_to(request.user).filter(dataset=found),
        "may_publish": may_publish(request.user, found),
        "why_secret": why_secret(found, timezone.now()),
    }
    return render(request, "organise/dataset.html", context)


@require_POST
@needs("submissions.view_dataset")
def publish_dataset(request: HttpRequest, dataset: int) -> HttpResponse:
    """Publish truth and nonce of a dataset whose phases have ended, for ever."""
    found = get_object_or_404(datasets_visible_to(request.user), pk=dataset)
    if not may_publish(request.user, found):
        raise Http404
    try:
        with transaction.atomic():
            reveal(dataset=found, now=timezone.now())
            record(request.user, "publish", found)
        messages.success(request, f"Truth and nonce of {found} are public: each of its phases offers them.")
    except ApiError as refusal:
        messages.error(request, refusal.message)
    return redirect("organise_dataset", dataset=found.pk)


def counts_of(dataset: Dataset) -> list[tuple[str, int]]:
    found = dict(dataset.cases.order_by().values_list("split").annotate(Count("pk")))
    return [(split, found[split]) for split in IN_ORDER if split in found]
