"""Import: turn a checked table and its images into a Dataset with its Cases, all or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import storages
from django.db import transaction

from submissions.datasets.suspicions import suspicions
from submissions.datasets.table import DatasetError, TruthRow, read_table, split_problems
from submissions.datasets.volumes import checked_volumes
from submissions.kinds import KINDS
from submissions.models import Case, Dataset


def import_dataset(
    *,
    kind: str,
    name: str,
    truth: Path,
    images: Path | None = None,
    public_fraction: float | None = None,
    split_column: str | None = None,
    resample_mm: float | None = None,
) -> Dataset:
    """Return the new dataset; an existing name gets its next version.

    public_fraction: the share of patients whose cases are public, the rest are private; None: all are public.
    resample_mm: store the volumes resampled to cubic voxels of this size; None: unchanged.
    Raises DatasetError with row and reason; then nothing was stored.
    """
    try:
        Dataset._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise DatasetError([f"the name {name!r} cannot be used: {' '.join(error.messages)}"]) from error
    rows = read_table(truth, KINDS[kind], split_column)
    splits = [row.split for row in rows] if public_fraction is None else split_by_patient(rows, public_fraction)
    if problems := split_problems(rows, splits, KINDS[kind]):
        raise DatasetError(problems)
    hashes = _image_hashes(rows, images, KINDS[kind].image_suffixes) if images else {}
    doubts = suspicions(rows, splits, KINDS[kind], images)
    if images is None:
        return _create(kind, name, rows, splits, hashes, doubts)
    with checked_volumes(images, hashes, resample_mm) as folder, transaction.atomic():
        if resample_mm:
            hashes = {image: _sha256(folder / image) for image in hashes}
        dataset = _create(kind, name, rows, splits, hashes, doubts)
        _store_images(dataset, folder, hashes)
    return dataset


def split_by_patient(rows: list[TruthRow], public_fraction: float) -> list[str]:
    """Return `public` or `private` for each row: one split per patient, and the same result on every machine."""
    patients = {row.patient or row.public_id for row in rows}
    ordered = sorted(patients, key=lambda patient: hashlib.sha256(patient.encode()).digest())
    public = set(ordered[: max(1, round(public_fraction * len(ordered)))])
    return ["public" if (row.patient or row.public_id) in public else "private" for row in rows]


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
def _create(
    kind: str, name: str, rows: list[TruthRow], splits: list[str], hashes: dict[str, str], warnings: list[str]
) -> Dataset:
    latest = Dataset.objects.filter(name=name).order_by("-version").first()
    dataset = Dataset.objects.create(
        kind=kind,
        name=name,
        version=latest.version + 1 if latest else 1,
        content_hash=content_hash(kind, rows, splits, hashes),
        warnings=warnings,
    )
    Case.objects.bulk_create(_cases(dataset, rows, splits, hashes), batch_size=500)
    return dataset


def content_hash(kind: str, rows: list[TruthRow], splits: list[str], hashes: dict[str, str]) -> str:
    """Return the sha256 over everything that a score depends on, in order."""
    digest = hashlib.sha256(kind.encode())
    for row, split in zip(rows, splits, strict=True):
        line = [row.public_id, row.truth, row.content.facts, row.patient, split, hashes.get(row.image, "")]
        digest.update(json.dumps(line, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


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
