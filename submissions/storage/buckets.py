"""Check the object store for an operator: do its buckets exist, and if not, what to check."""

from __future__ import annotations

from django.conf import settings
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Retry
from urllib3.exceptions import HTTPError

from submissions.storage.address import StorageAddress


def buckets() -> tuple[str, str]:
    return settings.MINIO_SUBMISSIONS_BUCKET, settings.MINIO_DATASETS_BUCKET


def problem() -> str:
    """Return the problem of the store as a sentence without names or keys, or ""; without a server there is none."""
    if settings.MINIO is None:
        return ""
    try:
        minio = client(settings.MINIO)
        missing = sum(not minio.bucket_exists(bucket) for bucket in buckets())
    except (MinioException, HTTPError, OSError) as error:
        return reason(error)
    return f"{missing} of 2 buckets missing; run `manage.py provision_storage`" if missing else ""


def client(server: StorageAddress) -> Minio:
    """Return a client of the server that MINIO_ENDPOINT names."""
    return Minio(
        server.host,
        access_key=settings.MINIO_ACCESS_KEY,
        secret_key=settings.MINIO_SECRET_KEY,
        secure=server.secure,
        region=settings.MINIO_REGION,
        http_client=PoolManager(timeout=3, retries=Retry(1, backoff_factor=0.2)),
    )


def reason(error: Exception) -> str:
    """Return what to check; a refused key is named by its setting, never by its value."""
    code = error.code if isinstance(error, S3Error) else type(error).__name__
    if code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return "the key is refused; check MINIO_ACCESS_KEY and MINIO_SECRET_KEY"
    if code in ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "IncorrectEndpoint"):
        return "it is in another region; check MINIO_REGION"
    return f"it answered {code}; check MINIO_ENDPOINT and MINIO_SECURE"
