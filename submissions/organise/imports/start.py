"""Start, repeat and stop an import. The row decides; a message only says that there is work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from lunasite.http.errors import ApiError
from submissions.datasets.access import may_extend
from submissions.models import DatasetImport, Upload
from submissions.models.access import holds
from submissions.models.audit import record
from submissions.models.imports.dataset_import import IMPORT_PERMISSION
from submissions.phases.storage_budget import check_budget
from submissions.queues import ERRANDS_CLUSTER
from submissions.storage import files as storage
from submissions.uploads.handler import ReceivedFile

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK = "submissions.tasks.import_dataset"
# Hundreds of gigabytes are unpacked, opened and stored.
MAX_S = 86_400
MAX_OPEN = 2
State = DatasetImport.State
NO_PROGRESS: dict[str, Any] = {
    "step": "", "done": 0, "total": 0, "problems": [], "n_problems": 0, "warnings": [], "counts": {}, "changes": None,
    "finished_at": None,
}  # fmt: skip


def start_import(
    *,
    user: User,
    kind: str,
    name: str,
    options: dict[str, Any],
    is_dry_run: bool,
    truth: ReceivedFile,
    images: ReceivedFile | Upload | None,
) -> DatasetImport:
    """Take the files over and queue the import. Raises ApiError, StorageError; then the files stay where they were.

    options: keywords of `submissions.datasets.importing.judged` beside kind, name and files.
    """
    check_may_import(user, name)
    if isinstance(images, Upload) and not images.is_complete:
        raise ApiError(400, "UPLOAD_INCOMPLETE", "The upload of the images is not complete; send the rest first.")
    if isinstance(images, ReceivedFile):
        check_budget(user, None, images.size or 0)
    row = DatasetImport(
        user=user, kind=kind, name=name, options=options, is_dry_run=is_dry_run, truth_name=truth.original_name,
        truth_key=truth.key,
    )  # fmt: skip
    with _kept(truth, images), transaction.atomic():
        _check_count(user)
        _take_images(row, images)
        row.save()
        record(user, "import", row)
        send(row)
    return row


@contextmanager
def _kept(*files: ReceivedFile | Upload | None) -> Iterator[None]:
    """Store the files of a request for good; when the block fails they are deleted again."""
    received = [file for file in files if isinstance(file, ReceivedFile)]
    try:
        for file in received:
            file.keep()
        yield
    except BaseException:
        for file in received:
            storage.delete(file.key)
        raise


def _take_images(row: DatasetImport, images: ReceivedFile | Upload | None) -> None:
    if images is None:
        return
    size = images.size_bytes if isinstance(images, Upload) else images.size
    row.images_name, row.images_key, row.images_bytes = images.original_name, images.key, size or 0
    if isinstance(images, Upload):
        # The row; its file is the import's from now on, and of one import: the first to end deletes it.
        deleted, _ = Upload.objects.filter(pk=images.pk).delete()
        if not deleted:
            raise ApiError(409, "UPLOAD_TAKEN", "Another import took the upload of the images already.", field="upload")


def check_may_import(user: Any, name: str) -> None:
    """Raise ApiError unless the person may import a dataset of this name."""
    if not holds(user, IMPORT_PERMISSION):
        raise ApiError(403, "FORBIDDEN", "Only organisers import datasets.")
    if not may_extend(user, name):
        message = f"There is a dataset '{name}' that is not yours; choose another name."
        raise ApiError(409, "NAME_TAKEN", message, field="name")


def _check_count(user: User) -> None:
    """Raise ApiError beyond MAX_OPEN. The locked row of the person makes counting and adding one step."""
    get_user_model().objects.select_for_update().get(pk=user.pk)
    mine = DatasetImport.objects.filter(user=user, state__in=(State.WAITING, State.RUNNING))
    if mine.count() >= MAX_OPEN:
        raise ApiError(429, "TOO_MANY_IMPORTS", f"At most {MAX_OPEN} imports of yours go at once; wait, or stop one.")


def repeat_import(*, row: DatasetImport, is_dry_run: bool, truth: ReceivedFile | None = None, **changed: Any) -> None:
    """Queue an import that has ended once more, with the files that are there: a corrected table, other options.

    changed: fields of the row, such as `options`. Raises ApiError where the files are gone, StatusConflict where the
    import runs.
    """
    if not row.has_files:
        raise ApiError(409, "FILES_GONE", "The files of this import are deleted; begin a new one.")
    check_may_import(row.user, changed.get("name", row.name))
    old = row.truth_key
    if truth is not None:
        changed |= {"truth_name": truth.original_name, "truth_key": truth.key}
    with _kept(truth), transaction.atomic():
        _check_count(row.user)
        row.transition_to(State.WAITING, is_dry_run=is_dry_run, created_at=timezone.now(), **NO_PROGRESS, **changed)
        record(row.user, "import", row)
        send(row)
        if truth is not None:
            # Whatever comes of it, the new table is the import's by then.
            transaction.on_commit(lambda: storage.delete(old), robust=True)


def stop_import(*, row: DatasetImport) -> None:
    """Stop an import; its worker notices within a second or a volume. Raises StatusConflict where it has ended."""
    row.transition_to(State.STOPPED, finished_at=timezone.now())


def delete_files(row: DatasetImport) -> None:
    """Delete the files of an import from the store. The dataset's own images lie elsewhere."""
    for key in filter(None, (row.truth_key, row.images_key)):
        storage.delete(key)
    DatasetImport.objects.filter(pk=row.pk).update(truth_key="", images_key="")
    row.truth_key = row.images_key = ""


def send(row: DatasetImport) -> None:
    """Queue a message in the database itself, so that it commits or rolls back with the row."""
    async_task(TASK, str(row.pk), cluster=ERRANDS_CLUSTER, timeout=MAX_S)
