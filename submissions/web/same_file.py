"""Ask before the same file is sent to the same phase once more; the site keeps the file meanwhile."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, QueryDict

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.actions.submit import submitted_before
from submissions.models import Phase, Submission, Upload
from submissions.uploads.kept import as_file, keep_image, keep_predictions, kept_predictions
from submissions.uploads.resumable import drop
from submissions.web.forms import CsvForm

CONFIRMED = "again"  # the name of the button that says yes


class SameFile(Exception):
    """The file was sent before; `upload` keeps it until the person confirms."""

    def __init__(self, earlier: Submission, upload: Upload) -> None:
        super().__init__(str(earlier))
        self.earlier, self.upload = earlier, upload

    def form_data(self, request: HttpRequest, field: str) -> QueryDict:
        """Return the form as it was filled in, with the kept file in `field` in place of the file."""
        data = request.POST.copy()
        data[field] = str(self.upload.pk)
        return data


def sent_csv(user: Any, form: CsvForm) -> Any:
    """Return the file of the form: sent now, or kept before. Raises ApiError where neither is there."""
    if file := form.cleaned_data.get("file"):
        return file
    kept = kept_predictions(user, form.cleaned_data["kept"]) if form.cleaned_data.get("kept") else None
    if kept is None:
        raise ApiError(400, "FILE_REQUIRED", "The kept file has expired; choose it again.", field="file")
    return as_file(kept)


def ask_about_csv(request: HttpRequest, phase: Phase, form: CsvForm, file: Any) -> None:
    """Raise SameFile for predictions that were sent before, unless the person said yes."""
    data = file.read(settings.MAX_CSV_BYTES + 1)
    file.seek(0)
    earlier = _earlier(request, phase, sha256(data).hexdigest(), form.cleaned_data["idempotency_key"])
    if earlier is not None and len(data) <= settings.MAX_CSV_BYTES:
        raise SameFile(earlier, keep_predictions(request.user, file.name or "predictions.csv", data))  # type: ignore[arg-type]


def ask_about_upload(request: HttpRequest, phase: Phase, upload: Upload, key: str) -> None:
    """Raise SameFile for an image that was sent before, unless the person said yes."""
    earlier = _earlier(request, phase, upload.sha256 if upload.is_complete else "", key)
    if earlier is not None:
        raise SameFile(earlier, upload)


def ask_about_image(request: HttpRequest, phase: Phase, image: Any, key: str) -> None:
    """Raise SameFile for an image that arrived in this request and was sent before, unless the person said yes."""
    earlier = _earlier(request, phase, image.sha256, key)
    if earlier is not None:
        raise SameFile(earlier, keep_image(request.user, image))  # type: ignore[arg-type]


def _earlier(request: HttpRequest, phase: Phase, digest: str, key: str) -> Submission | None:
    """Return what to ask about. A double click is not asked about: it leads to what the first click sent."""
    user: Any = request.user
    if CONFIRMED in request.POST or submitted_before(user, phase, key, digest):
        return None
    return actions.same_file_before(user, phase, digest)


def forget_kept(user: Any, form: CsvForm) -> None:
    """Drop the kept file once it is submitted."""
    if form.cleaned_data.get("kept") and (kept := kept_predictions(user, form.cleaned_data["kept"])):
        drop(kept)
