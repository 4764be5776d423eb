"""Import: turn a checked table and its images into a Dataset with its Cases, all or nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import storages
from django.db import IntegrityError, transaction

from submissions.datasets.changes import changes_of
from submissions.datasets.commitment import commitment, revealed_data
from submissions.datasets.image_names import is_there, stored_name
from submissions.datasets.progress import SILENT, Progress
from submissions.datasets.splitting import PUBLIC_FRACTION, draw_splits, with_samples
from submissions.datasets.suspicions import suspicions
from submissions.datasets.table import DatasetError, TruthRow, read_table, split_problems
from submissions.datasets.volumes import checked_volumes
from submissions.keyed import new_secret
from submissions.kinds import KINDS
from submissions.models import Case, Dataset

NO_SAMPLES = (
    "No sample cases: the public patients are too few to set some aside with every class. "
    "Participants then get nothing but their score while the phase runs."
)


@dataclass(frozen=True)
class Judged:
    """A dataset that was judged whole and is not stored yet. folder: of its images, as they will be stored.

    hashes: sha256 by image name. changes: against the version before; None for a first version.
    """

    new: Dataset
    rows: list[TruthRow]
    splits: list[str]
    hashes: dict[str, str]
    folder: Path | None
    changes: dict[str, Any] | None

    def counts(self) -> dict[str, int]:
        """Return how many cases each split has."""
        return dict(Counter(self.splits))


def import_dataset(**given: Any) -> Dataset:
    """Return the new dataset; an existing name gets its next version.

    Takes the keywords of `judged`. Raises DatasetError with row and reason; then nothing was stored.
    """
    with judged(**given) as found:
        return keep(found, given.get("progress", SILENT))


@contextmanager
def judged(
    *,
    kind: str,
    name: str,
    truth: Path,
    images: Path | None = None,
    public_fraction: float | None = None,
    split_column: str | None = None,
    samples: int | None = None,
    is_practice: bool = False,
    resample_mm: float | None = None,
    owner: Any = None,
    progress: Progress = SILENT,
) -> Iterator[Judged]:
    """Judge everything of a new dataset and store nothing: what a dry run does, and what `keep` needs.

    public_fraction: the share of patients whose cases are public, the rest are private; None: 0.3.
    split_column: the column that says each case's split, instead. samples: how many cases to set aside, whose truth is
    shown; None: 20, but no more than a quarter of the cases. is_practice: every case is public.
    resample_mm: store the volumes resampled to cubic voxels of this size; None: unchanged. owner: the user whose
    dataset it is; None: the site's. Raises DatasetError with row and reason.
    """
    _check_name(name)
    rows = read_table(truth, KINDS[kind], split_column)
    if images is not None:
        rows = [replace(row, image=stored_name(images, row.image)) for row in rows]
    new = Dataset(kind=kind, name=name, is_practice=is_practice, secret_key=new_secret(), owner=owner)
    if problems := split_problems(rows, [row.split for row in rows], KINDS[kind]):
        raise DatasetError(problems)
    splits = _splits(new, rows, public_fraction, bool(split_column), samples)
    hashes = _image_hashes(rows, images, KINDS[kind].image_suffixes, progress) if images else {}
    without_samples = [NO_SAMPLES] if samples != 0 and not is_practice and "sample" not in splits else []
    if images is None:
        new.warnings = suspicions(rows, splits, KINDS[kind], None) + without_samples
        yield Judged(new, rows, splits, hashes, None, changes_of(_latest(name), rows, hashes))
        return
    with checked_volumes(images, hashes, resample_mm, progress) as folder:
        # Not before: it opens the volumes in this process, where a header may hang SimpleITK for ever.
        new.warnings = suspicions(rows, splits, KINDS[kind], images) + without_samples
        if resample_mm:
            hashes = {image: _sha256(folder / image) for image in hashes}
        yield Judged(new, rows, splits, hashes, folder, changes_of(_latest(name), rows, hashes))


def keep(
    found: Judged, progress: Progress = SILENT, stored_with: Callable[[Dataset], None] = lambda dataset: None
) -> Dataset:
    """Store a judged dataset: its images first, then its rows in one transaction, so that none names a missing image.

    stored_with: called inside that transaction; may raise to undo everything. Raises DatasetError where another import
    of the same name was faster, StorageError of the store; then the images that were stored are removed again.
    """
    latest = _latest(found.new.name)
    found.new.version = latest.version + 1 if latest else 1
    stored: list[str] = []
    try:
        _store_images(found, stored, progress)
        with transaction.atomic():
            dataset = _create(found)
            stored_with(dataset)
    except IntegrityError as error:
        # Its images have the same keys as ours, so none is removed.
        raise DatasetError([f"another import of {found.new.name!r} ended first; import it again"]) from error
    except BaseException:
        _remove_images(stored)
        raise
    if len(stored) < len(found.hashes):
        # Some were there before: those of an attempt that was stopped, which may have removed them meanwhile.
        _store_images(found, stored, SILENT)
    return dataset


def _remove_images(keys: list[str]) -> None:
    """Remove images that were stored in vain.

    Another attempt at the same dataset names its images alike: it may have found these there, and have ended.
    """
    for key in keys:
        if not Case.objects.filter(image=key).exists():
            storages["datasets"].delete(key)


def _check_name(name: str) -> None:
    try:
        Dataset._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise DatasetError([f"the name {name!r} cannot be used: {' '.join(error.messages)}"]) from error


def _latest(name: str) -> Dataset | None:
    return Dataset.objects.filter(name=name).order_by("-version").first()


def _splits(
    new: Dataset, rows: list[TruthRow], public_fraction: float | None, has_column: bool, samples: int | None
) -> list[str]:
    """Return the split of each row: all public for practice, as the table says, or drawn under the dataset's key."""
    given = [row.split for row in rows]
    if new.is_practice:
        return given
    if has_column:
        return with_samples(rows, given, new.task, new.secret_key, samples)
    fraction = PUBLIC_FRACTION if public_fraction is None else public_fraction
    return draw_splits(rows, new.task, new.secret_key, public_fraction=fraction, samples=samples)


def _image_hashes(rows: list[TruthRow], images: Path, suffixes: tuple[str, ...], progress: Progress) -> dict[str, str]:
    """Return sha256 by image name. Raises DatasetError for images missing, empty, misplaced or of another format."""
    problems, hashes = [], {}
    progress.step("reading the images", len({row.image for row in rows}))
    for row in rows:
        if row.image in hashes:
            continue
        path = images / row.image
        if not row.image or ".." in PurePosixPath(row.image).parts or PurePosixPath(row.image).is_absolute():
            problems.append(f"row {row.line}: {row.image!r} is no name of a file in the images folder")
        elif path.suffix.lower() not in suffixes:
            problems.append(f"row {row.line}: the image {row.image!r} does not end in {' or '.join(suffixes)}")
        elif not is_there(images, row.image) or path.stat().st_size == 0:
            cure = "; write / between folders" if "\\" in row.image else ""
            problems.append(f"row {row.line}: the image {row.image!r} is missing or empty{cure}")
        else:
            hashes[row.image] = _sha256(path)
            progress.advance()
    if problems:
        raise DatasetError(problems)
    return hashes


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _create(found: Judged) -> Dataset:
    new = found.new
    new.save()
    Case.objects.bulk_create(_cases(new, found.rows, found.splits, found.hashes), batch_size=500)
    # Of what the database gives back, so that it can be computed again years later.
    new.content_hash = commitment(revealed_data(new, new.cases.order_by("position")))
    new.save(update_fields=["content_hash"])
    return new


def _cases(dataset: Dataset, rows: list[TruthRow], splits: list[str], hashes: dict[str, str]) -> Iterable[Case]:
    for position, (row, split) in enumerate(zip(rows, splits, strict=True)):
        yield Case(
            dataset=dataset, position=position, public_id=row.public_id, truth=row.truth, facts=row.content.facts,
            patient=row.patient[:100], split=split,
            image=image_key(dataset, row.image, hashes[row.image]) if row.image in hashes else "",
        )  # fmt: skip


def image_key(dataset: Dataset, name: str, sha256: str) -> str:
    """Return the storage key of an image: derived from its content, so that no name leaks what it shows."""
    return f"{dataset.name}/v{dataset.version}/{sha256}{PurePosixPath(name).suffix.lower()}"


def _store_images(found: Judged, stored: list[str], progress: Progress) -> None:
    """Store the images; `stored` gets the keys of those that were not there before."""
    if found.folder is None:
        return
    storage = storages["datasets"]
    progress.step("storing the images", len(found.hashes))
    for name, sha256 in found.hashes.items():
        key = image_key(found.new, name, sha256)
        if not storage.exists(key):
            with (found.folder / name).open("rb") as file:
                stored.append(storage.save(key, File(file)))
        progress.advance()
