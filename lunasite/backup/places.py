"""Where a backup lies: a folder, or a bucket of an S3 server as s3://bucket/prefix."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError

PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Written:
    """sha256: hexadecimal; size in bytes."""

    sha256: str
    size: int


class Place(Protocol):
    """Files by name, names with forward slashes. Errors are OSError, or those of the S3 client."""

    def put(self, name: str, pieces: Iterable[bytes]) -> Written:
        """Write a file, visible only once it is complete."""
        ...

    def pieces(self, name: str) -> Iterator[bytes]:
        """Raise FileNotFoundError where there is no such file."""
        ...

    def size(self, name: str) -> int | None: ...

    def names(self, prefix: str) -> list[str]: ...

    def delete(self, name: str) -> None: ...


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, pieces: Iterable[bytes]) -> Written:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    size += file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
        return Written(digest.hexdigest(), size)

    def pieces(self, name: str) -> Iterator[bytes]:
        with (self.root / name).open("rb") as file:
            yield from pieces_of(file)

    def size(self, name: str) -> int | None:
        path = self.root / name
        return path.stat().st_size if path.is_file() else None

    def names(self, prefix: str) -> list[str]:
        paths = (self.root / prefix).rglob("*") if (self.root / prefix).is_dir() else ()
        return sorted(str(path.relative_to(self.root)) for path in paths if path.is_file())

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)


class Bucket:
    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self.client, self.bucket, self.prefix = client, bucket, f"{prefix}/" if prefix else ""

    def put(self, name: str, pieces: Iterable[bytes]) -> Written:
        digest, size = hashlib.sha256(), 0
        with tempfile.TemporaryFile(dir=settings.DATA_DIR) as file:
            for piece in pieces:
                digest.update(piece)
                size += file.write(piece)
            file.seek(0)
            self.client.upload_fileobj(file, self.bucket, self.prefix + name)
        return Written(digest.hexdigest(), size)

    def pieces(self, name: str) -> Iterator[bytes]:
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"]
        except self.client.exceptions.NoSuchKey as error:
            raise FileNotFoundError(name) from error
        with body:
            while piece := body.read(PIECE_BYTES):
                yield piece

    def size(self, name: str) -> int | None:
        with suppress(self.client.exceptions.ClientError):
            return int(self.client.head_object(Bucket=self.bucket, Key=self.prefix + name)["ContentLength"])
        return None

    def names(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        return [item["Key"].removeprefix(self.prefix) for page in pages for item in page.get("Contents", ())]

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + name)


def place_at(address: str) -> Place:
    """Return the place of `DIR` or `s3://bucket/prefix`; raises CommandError where it cannot be."""
    parts = urlsplit(address)
    if parts.scheme != "s3":
        return Folder(Path(address).expanduser().resolve())
    if not parts.netloc:
        raise CommandError("Name the bucket: s3://bucket/prefix.")
    if parts.netloc in (settings.MINIO_SUBMISSIONS_BUCKET, settings.MINIO_DATASETS_BUCKET):
        raise CommandError("A backup needs a bucket of its own: this one is backed up itself.")
    return Bucket(_client(), parts.netloc, parts.path.strip("/"))


def _client() -> Any:
    """Return a client of BACKUP_S3_ENDPOINT with its own keys, or of the site's own object store."""
    import boto3

    endpoint = settings.BACKUP_S3_ENDPOINT or (settings.MINIO.url if settings.MINIO else "")
    if not endpoint:
        raise CommandError("Set BACKUP_S3_ENDPOINT, BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY.")
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=settings.BACKUP_S3_ACCESS_KEY or settings.MINIO_ACCESS_KEY,
        aws_secret_access_key=settings.BACKUP_S3_SECRET_KEY or settings.MINIO_SECRET_KEY,
        region_name=settings.BACKUP_S3_REGION,
        config=client_config(),
    )


def client_config() -> Any:
    from botocore.config import Config

    return Config(
        s3={"addressing_style": "path"}, signature_version="s3v4", connect_timeout=5, read_timeout=60,
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip


@contextmanager
def scratch_file() -> Iterator[Path]:
    """Give the path of a file that is gone afterwards, on the disk of DATA_DIR."""
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="backup-") as folder:
        yield Path(folder) / "database"


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece
