"""Run an import on a worker: fetch the files, unpack them, judge everything, store it unless it is a dry run."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from submissions.datasets.access import may_extend
from submissions.datasets.image_names import is_there, stored_name
from submissions.datasets.importing import Judged, judged, keep
from submissions.datasets.table import DatasetError, read_table
from submissions.faults import ParticipantError
from submissions.intake.dataset.unpack import UnpackLimits, unpack_images
from submissions.kinds import KINDS
from submissions.models import Dataset, DatasetImport, StatusConflict
from submissions.models.imports.dataset_import import LOST_AFTER
from submissions.organise.imports.start import delete_files, send
from submissions.storage.base import StorageError
from submissions.storage.files import fetch_to, store

log = structlog.get_logger(__name__)
State = DatasetImport.State
REPORT_EVERY_S = 1.0
MAX_ATTEMPTS = 3
MAX_PROBLEMS = 200
# What stays free on the worker's disk, whatever an archive unpacks to.
KEPT_FREE_BYTES = 2 << 30
UNSENT_AFTER = timedelta(seconds=60)
OURS = "This site had a problem of its own. The files are kept: start the import again."
LOST = f"Its worker was lost {MAX_ATTEMPTS} times. The files are kept: start the import again."


class Stopped(Exception):
    """The import was stopped, or another worker has it: nothing more is written."""


class Recorder:
    """Report progress to the row, at most once a second; raises Stopped once the row is no longer this attempt's."""

    def __init__(self, row: DatasetImport) -> None:
        self._row = DatasetImport.objects.running().filter(pk=row.pk, attempt=row.attempt)
        self._step, self._done, self._total, self._next = "", 0, 0, 0.0

    def step(self, name: str, total: int) -> None:
        self._step, self._done, self._total = name, 0, total
        self._report()

    def advance(self, count: int = 1) -> None:
        self._done += count
        if time.monotonic() >= self._next:
            self._report()

    def _report(self) -> None:
        self._next = time.monotonic() + REPORT_EVERY_S
        progress = {"step": self._step, "done": self._done, "total": self._total, "seen_at": timezone.now()}
        if not self._row.update(**progress):
            raise Stopped


def run_next_import() -> None:
    """Run the import that has waited longest, unless a worker is busy with one: then that worker's end calls again."""
    row = _claim()
    if row is None:
        return
    try:
        _finish(row)
    except (Stopped, StatusConflict):
        log.info("import stopped", dataset_import=str(row.pk))
    finally:
        if after := DatasetImport.objects.waiting().order_by("created_at").first():
            send(after)


def _claim() -> DatasetImport | None:
    now = timezone.now()
    if DatasetImport.objects.running().filter(seen_at__gt=now - LOST_AFTER).exists():
        return None
    row = DatasetImport.objects.waiting().order_by("created_at").first()
    if row is None:
        return None
    try:
        row.transition_to(State.RUNNING, attempt=row.attempt + 1, seen_at=now)
    except StatusConflict:
        return None
    return row


def _finish(row: DatasetImport) -> None:
    """Do the work and write its end. Raises Stopped, StatusConflict where the row went elsewhere meanwhile."""
    try:
        _import(row, Recorder(row))
    except DatasetError as error:
        _end(row, State.REFUSED, error.problems)
    except ParticipantError as error:
        _end(row, State.REFUSED, [error.note])
    except (StorageError, OSError, RuntimeError):
        log.exception("import failed", dataset_import=str(row.pk))
        _end(row, State.FAILED, [OURS])
    if row.state == State.IMPORTED:
        delete_files(row)


def _end(row: DatasetImport, state: str, problems: list[str]) -> None:
    shown = problems[:MAX_PROBLEMS]
    row.transition_to(state, problems=shown, n_problems=len(problems), finished_at=timezone.now())


def _import(row: DatasetImport, progress: Recorder) -> None:
    """Judge everything; then store it, or of a dry run only what was found."""
    _check_name_is_free(row)
    folder = Path(settings.DATA_DIR) / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="import-", dir=folder) as scratch:
        truth, images = _files(row, Path(scratch), progress)
        given: dict[str, Any] = {**row.options, "kind": row.kind, "name": row.name, "owner": row.user}
        with judged(truth=truth, images=images, progress=progress, **given) as found:
            _check_name_is_free(row)  # what changed is told of the newest version, whoever made it meanwhile
            if row.is_dry_run:
                row.transition_to(State.CHECKED, **_found(found))
            else:
                keep(found, progress, lambda dataset: _note(row, dataset, found))


def _check_name_is_free(row: DatasetImport) -> None:
    """Raise DatasetError where somebody else has a dataset of this name: its next version is not the user's to make."""
    if not may_extend(row.user, row.name):
        raise DatasetError([f"there is a dataset {row.name!r} that is not yours; choose another name"])


def _note(row: DatasetImport, dataset: Dataset, found: Judged) -> None:
    """Write the end inside the transaction that stores the dataset: neither is there without the other."""
    _check_name_is_free(row)
    row.transition_to(State.IMPORTED, dataset=dataset, **_found(found))


def _found(found: Judged) -> dict[str, Any]:
    return {
        "counts": found.counts(), "warnings": found.new.warnings, "changes": found.changes,
        "finished_at": timezone.now(), "step": "",
    }  # fmt: skip


def _files(row: DatasetImport, scratch: Path, progress: Recorder) -> tuple[Path, Path | None]:
    """Lay the files out in `scratch`: return the table, and the folder that its image names start from."""
    table = scratch / Path(row.truth_name).name
    progress.step("reading the table", 1)
    fetch_to(table, row.truth_key)
    if not row.images_key:
        return table, None
    folder = scratch / "images"
    folder.mkdir()
    progress.step("unpacking the images", row.images_bytes)
    limits = UnpackLimits(max_bytes=max(0, shutil.disk_usage(scratch).free - KEPT_FREE_BYTES))
    with _archive(row, scratch, progress) as path:
        unpacked = unpack_images(path, folder, KINDS[row.kind].image_suffixes, limits, progress.advance)
    if not unpacked.files:
        raise DatasetError([f"{row.images_name} holds no image that ends in {_suffixes(row)}"])
    return table, _start_of_names(folder, table, row)


@contextmanager
def _archive(row: DatasetImport, scratch: Path, progress: Recorder) -> Iterator[Path]:
    """Give the archive as a file: in place, or fetched from the object store."""
    if (local := store().local_path(row.images_key)) is not None:
        yield local
        return
    path = scratch / "archive"
    fetch_to(path, row.images_key, check=lambda: progress.advance(0))
    yield path
    path.unlink()


def _suffixes(row: DatasetImport) -> str:
    return " or ".join(KINDS[row.kind].image_suffixes)


def _start_of_names(folder: Path, table: Path, row: DatasetImport) -> Path:
    """Return where the table's image names start: most archives hold one folder, which the table does not name."""
    names = [found.image for found in read_table(table, KINDS[row.kind], row.options.get("split_column"))]
    while not any(is_there(folder, stored_name(folder, name)) for name in names if name and ".." not in name):
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            break
        folder = inside[0]
    return folder


def sweep_imports() -> None:
    """Queue imports again whose worker or message was lost, and delete files that are needed no more."""
    now = timezone.now()
    for row in DatasetImport.objects.running().filter(seen_at__lte=now - LOST_AFTER):
        try:
            if row.attempt < MAX_ATTEMPTS:
                row.transition_to(State.WAITING)
            else:
                _end(row, State.FAILED, [LOST])
        except StatusConflict:
            continue
        log.warning("import lost its worker", dataset_import=str(row.pk), attempt=row.attempt)
    if not DatasetImport.objects.running().exists():
        unsent = DatasetImport.objects.waiting().filter(created_at__lte=now - UNSENT_AFTER)
        if (row := unsent.order_by("created_at").first()) is not None:  # type: ignore[assignment]
            send(row)
    for row in DatasetImport.objects.with_files_due(now):
        delete_files(row)
