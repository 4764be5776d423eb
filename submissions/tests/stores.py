"""Put the site's files on a real S3 server."""

import os
import uuid

from submissions.storage.address import parse_address, s3_storage


def use_s3(settings, endpoint: str | None = None, secret: str | None = None) -> None:
    """Point the settings at the test server, with buckets of this test's own."""
    endpoint = endpoint or os.environ["LUNASITE_TEST_S3_ENDPOINT"]
    settings.MINIO = settings.MINIO_PUBLIC = parse_address("MINIO_ENDPOINT", endpoint, False)
    settings.MINIO_ACCESS_KEY = os.environ.get("LUNASITE_TEST_S3_ACCESS_KEY", "key")
    settings.MINIO_SECRET_KEY = secret or os.environ.get("LUNASITE_TEST_S3_SECRET_KEY", "secret")
    name = uuid.uuid4().hex[:12]
    settings.MINIO_SUBMISSIONS_BUCKET, settings.MINIO_DATASETS_BUCKET = (
        f"submissions-{name}",
        f"datasets-{name}",
    )
    keys = settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY, settings.MINIO_REGION
    settings.STORAGES = settings.STORAGES | {
        "default": s3_storage(settings.MINIO, settings.MINIO_SUBMISSIONS_BUCKET, *keys),
        "datasets": s3_storage(settings.MINIO, settings.MINIO_DATASETS_BUCKET, *keys),
    }


def empty_buckets(settings) -> None:
    from submissions.storage.buckets import client

    minio = client(settings.MINIO)
    for bucket in (settings.MINIO_SUBMISSIONS_BUCKET, settings.MINIO_DATASETS_BUCKET):
        for item in minio.list_objects(bucket, recursive=True):
            minio.remove_object(bucket, item.object_name)
        minio.remove_bucket(bucket)
