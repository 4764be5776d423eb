"""Create the places for stored files: private buckets on the S3 server, or folders of DATA_DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings
from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import AbortIncompleteMultipartUpload, LifecycleConfig, Rule
from urllib3.exceptions import HTTPError

from submissions.storage.buckets import buckets, client, reason

UNFINISHED_DAYS = 3


class Command(BaseCommand):
    help = "Make the buckets (or local folders) for submissions and datasets; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.MINIO is None:
            self._make_folders()
            return
        for bucket in buckets():
            try:
                self._make_bucket(client(settings.MINIO), bucket)
            except (MinioException, HTTPError, OSError) as error:
                raise CommandError(f"{settings.MINIO.url}, bucket {bucket}: {reason(error)}") from error
        self._allow_browsers()

    def _make_folders(self) -> None:
        for name in ("default", "datasets"):
            folder = storages[name].path("")
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.stdout.write(f"{name}: {folder}")

    def _make_bucket(self, minio: Minio, bucket: str) -> None:
        is_new = not minio.bucket_exists(bucket)
        if is_new:
            minio.make_bucket(bucket)
        self._withdraw_policy(minio, bucket)
        self.stdout.write(f"{bucket}: {'made' if is_new else 'there already'}, private")
        self._expire_unfinished(minio, bucket)

    def _withdraw_policy(self, minio: Minio, bucket: str) -> None:
        """Remove the bucket policy: without one, reading and listing need a key."""
        try:
            minio.delete_bucket_policy(bucket)
        except S3Error as error:
            if error.code != "NoSuchBucketPolicy":
                raise

    def _expire_unfinished(self, minio: Minio, bucket: str) -> None:
        """Let the server itself remove unfinished uploads, in case this site no longer exists by then."""
        unfinished = AbortIncompleteMultipartUpload(days_after_initiation=UNFINISHED_DAYS)
        rule = Rule(ENABLED, rule_filter=Filter(prefix=""), abort_incomplete_multipart_upload=unfinished)
        try:
            minio.set_bucket_lifecycle(bucket, LifecycleConfig([rule]))
        except S3Error as error:
            self.stdout.write(f"{bucket}: no expiry of unfinished uploads on this server ({error.code})")

    def _allow_browsers(self) -> None:
        """Let pages of this site PUT parts; permission still comes from the signature in the URL."""
        backend: Any = storages["default"]
        rule = {
            "AllowedOrigins": sorted({settings.SITE_URL, *settings.CSRF_TRUSTED_ORIGINS}),
            "AllowedMethods": ["PUT", "GET", "HEAD"],
            "AllowedHeaders": ["*"],
            "MaxAgeSeconds": 3600,
        }
        try:
            backend.connection.meta.client.put_bucket_cors(
                Bucket=backend.bucket_name, CORSConfiguration={"CORSRules": [rule]}
            )
        except ClientError as error:  # MinIO has one rule for all its buckets, which allows this
            code = error.response["Error"]["Code"]
            self.stdout.write(f"{backend.bucket_name}: this server has no rules of origin a bucket ({code})")
