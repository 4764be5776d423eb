"""Import: turn a checked table and its images into a Dataset with its Cases, all or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import storages
from django.db import transaction

from submissions.datasets.commitment import commitment, revealed_data
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


def import_dataset(
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
) -> Dataset:
    """Return the new dataset; an existing name gets its next version.

    public_fraction: the share of patients whose cases are public, the rest are private; None: 0.3.
    split_column: the column that says each case's split, instead. samples: how many cases to set aside, whose truth is
    shown; None: 20, but no more than a quarter of the cases. is_practice: every case is public.
    resample_mm: store the volumes resampled to cubic voxels of this size; None: unchanged.
    Raises DatasetError with row and reason; then nothing was stored.
    """
    try:
        Dataset._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise DatasetError([f"the name {name!r} cannot be used: {' '.join(error.messages)}"]) from error
    rows = read_table(truth, KINDS[kind], split_column)
    new = Dataset(kind=kind, name=name, is_practice=is_practice, secret_key=new_secret())
    if problems := split_problems(rows, [row.split for row in rows], KINDS[kind]):
        raise DatasetError(problems)
    splits = _splits(new, rows, public_fraction, bool(split_column), samples)
    hashes = _image_hashes(rows, images, KINDS[kind].image_suffixes) if images else {}
    new.warnings = suspicions(rows, splits, KINDS[kind], images)
    if samples != 0 and not is_practice and "sample" not in splits:
        new.warnings.append(NO_SAMPLES)
    if images is None:
        return _create(new, rows, splits, hashes)
    with checked_volumes(images, hashes, resample_mm) as folder, transaction.atomic():
        if resample_mm:
            hashes = {image: _sha256(folder / image) for image in hashes}
        dataset = _create(new, rows, splits, hashes)
        _store_images(dataset, folder, hashes)
    return dataset


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


def _image_hashes(rows: list[TruthRow], images: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Return sha256 by image name. Raises DatasetError for images missing, empty, misplaced or of another format."""
    problems, hashes = [], {}
    for row in rows:
        if row.image in hashes:
            continue
        path = images / row.image
        if not row.image or ".." in PurePosixPath(row.image).parts or PurePosixPath(row.image).is_absolute():
            problems.append(f"row {row.line}: {row.image!r} is no name of a file in the images folder")
        elif path.suffix.lower() not in suffixes:
            problems.append(f"row {row.line}: the image {row.image!r} does not end in {' or '.join(suffixes)}")
        elif not path.is_file() or path.stat().st_size == 0:
            problems.append(f"row {row.line}: the image {row.image!r} is missing or empty")
        else:
            hashes[row.image] = _sha256(path)
    if problems:
        raise DatasetError(problems)
    return hashes


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@transaction.atomic
def _create(new: Dataset, rows: list[TruthRow], splits: list[str], hashes: dict[str, str]) -> Dataset:
    latest = Dataset.objects.filter(name=new.name).order_by("-version").first()
    new.version = latest.version + 1 if latest else 1
    new.save()
    Case.objects.bulk_create(_cases(new, rows, splits, hashes), batch_size=500)
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


def _store_images(dataset: Dataset, images: Path, hashes: dict[str, str]) -> None:
    storage = storages["datasets"]
    for name, sha256 in hashes.items():
        key = image_key(dataset, name, sha256)
        if not storage.exists(key):
            with (images / name).open("rb") as file:
                storage.save(key, File(file))
