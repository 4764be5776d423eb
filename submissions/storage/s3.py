"""Files in a bucket of an S3 server, through the connection of django-storages' backend.

Uploads are sent in parts of PART_BYTES, a few at the same time, so that receiving and sending overlap and memory holds
only a few parts. Presigned URLs use the public endpoint.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils.http import content_disposition_header
from urllib3.exceptions import HTTPError

from submissions.faults import SharedPart
from submissions.storage.base import PIECE_BYTES, MissingFile, PartsRef, StorageAway, StorageError, storage_error

PART_BYTES = 8 << 20
PARTS_AT_ONCE = 2
ABSENT = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}
NO_BUCKET = {"NoSuchBucket"}
SUBMISSIONS, DATASETS = "storage", "datasets"  # parts of models.Incident
REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


@contextmanager
def _typed(part: str = SUBMISSIONS, key: str = "") -> Iterator[None]:
    """Turn an error of the server or the network into StorageError; StorageAway where any file would meet it.

    part, key: of an incident, should the server be away.
    """
    away = SharedPart(part, "", key)
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in NO_BUCKET:
            raise StorageAway(_client_note(code), away) from error
        if code in ABSENT:
            raise MissingFile(f"the object store has no such object ({code})") from error
        if code in REFUSED or status >= 500:
            raise StorageAway(_client_note(code), away) from error
        raise StorageError(_client_note(code)) from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StorageAway(f"MINIO_ENDPOINT does not answer ({type(error).__name__})", away) from error


def _client_note(code: str) -> str:
    """Name the setting to check; never its value."""
    if code in REFUSED:
        return f"the object store refuses the key: check MINIO_ACCESS_KEY and MINIO_SECRET_KEY ({code})"
    return f"the object store answered {code}"


class S3Store:
    """See submissions.storage.Store. backend: django-storages' S3Storage. name: its name in STORAGES."""

    def __init__(self, backend: Any, name: str = "default") -> None:
        self._backend = backend
        self._part = DATASETS if name == "datasets" else SUBMISSIONS
        self._bucket: str = backend.bucket_name

    @property
    def _client(self) -> Any:
        return self._backend.connection.meta.client

    def writer(self, key: str) -> S3Writer:
        return S3Writer(self._client, self._bucket, key)

    @contextmanager
    def pieces(self, key: str) -> Iterator[Iterator[bytes]]:
        away = self._part, key
        with _typed(*away):
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        with closing(body):
            yield _read(body, *away)

    def local_path(self, key: str) -> Path | None:
        return None

    def size(self, key: str) -> int | None:
        try:
            with _typed(self._part):
                return int(self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
        except MissingFile:
            return None

    def check_room(self, size_bytes: int) -> None:
        return None

    def delete(self, key: str) -> None:
        with _typed():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def url(self, key: str, name: str, seconds: int) -> str:
        as_attachment = {
            "ResponseContentDisposition": content_disposition_header(True, name),
            "ResponseContentType": "application/octet-stream",
        }
        return self._presigned("get_object", seconds, Key=key, **as_attachment)

    # Parts

    def begin_parts(self, key: str) -> str:
        with _typed():
            return str(self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"])

    def received(self, parts: PartsRef) -> set[int]:
        return set(self._listed(parts))

    def part_url(self, parts: PartsRef, number: int, seconds: int) -> str | None:
        """Return a presigned URL. The length is signed too, so that the URL is valid only for exactly this part."""
        length = parts.size_of(number)
        return self._presigned("upload_part", seconds, **_named(parts), PartNumber=number, ContentLength=length)

    def part_writer(self, parts: PartsRef, number: int) -> S3PartWriter:
        return S3PartWriter(self._client, {"Bucket": self._bucket, **_named(parts), "PartNumber": number})

    def join(self, parts: PartsRef) -> None:
        listed = self._listed(parts)
        if len(listed) != parts.count:
            raise MissingFile("parts are missing")
        wanted = [{"PartNumber": number, "ETag": listed[number]} for number in sorted(listed)]
        with _typed():
            self._client.complete_multipart_upload(
                Bucket=self._bucket, **_named(parts), MultipartUpload={"Parts": wanted}
            )
            size = self._client.head_object(Bucket=self._bucket, Key=parts.key)["ContentLength"]
        if size != parts.size_bytes:
            raise StorageError(f"{parts.key} has {size} bytes after joining")

    def drop_parts(self, parts: PartsRef) -> None:
        try:
            with _typed():
                self._client.abort_multipart_upload(Bucket=self._bucket, **_named(parts))
        except MissingFile:
            return

    def drop_older_than(self, seconds: float) -> int:
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        with _typed():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket)
            found = [item for page in pages for item in page.get("Uploads", ()) if item["Initiated"] < before]
            for item in found:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=item["Key"], UploadId=item["UploadId"])
        return len(found)

    def _listed(self, parts: PartsRef) -> dict[int, str]:
        """Return the ETags of the parts that have arrived with the right length."""
        with _typed():
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, **_named(parts))
            found = [part for page in pages for part in page.get("Parts", ())]
        numbers = range(1, parts.count + 1)
        return {
            part["PartNumber"]: part["ETag"]
            for part in found
            if part["PartNumber"] in numbers and part["Size"] == parts.size_of(part["PartNumber"])
        }

    def _presigned(self, operation: str, seconds: int, **parameters: Any) -> str:
        return str(
            _public_client(self._backend).generate_presigned_url(
                operation, Params={"Bucket": self._bucket, **parameters}, ExpiresIn=seconds
            )
        )


def _named(parts: PartsRef) -> dict[str, str]:
    return {"Key": parts.key, "UploadId": parts.handle}


def _public_client(backend: Any) -> Any:
    """Return a client that signs for the endpoint that browsers use; it opens no connection."""
    public = getattr(settings, "MINIO_PUBLIC", None)
    if public is None or public.url == backend.endpoint_url:
        return backend.connection.meta.client
    return boto3.session.Session().client(
        "s3",
        endpoint_url=public.url,
        aws_access_key_id=backend.access_key,
        aws_secret_access_key=backend.secret_key,
        region_name=backend.region_name,
        config=backend.client_config,
    )


def _read(body: Any, part: str, key: str) -> Iterator[bytes]:
    while True:
        with _typed(part, key):
            piece = body.read(PIECE_BYTES)
        if not piece:
            return
        yield piece


class S3Writer:
    """A new object; a small one is sent in a single PUT, a larger one in parts."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._place = {"Bucket": bucket, "Key": key}
        self._upload_id = ""
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._etags: list[str] = []
        self._sending: deque[Future[str]] = deque()
        self._pool = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part")

    def write(self, piece: bytes) -> None:
        self._buffer.append(piece)
        self._buffered_bytes += len(piece)
        if self._buffered_bytes >= PART_BYTES:
            self._send_part()

    def finish(self) -> None:
        with _typed():
            if self._upload_id:
                self._finish_parts()
            else:
                self._client.put_object(**self._place, Body=self._taken())
        self._pool.shutdown()

    def abort(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._upload_id:
            try:
                with _typed():
                    self._client.abort_multipart_upload(**self._place, UploadId=self._upload_id)
            except StorageError:
                return  # leftovers are dropped by age

    def _finish_parts(self) -> None:
        if self._buffer:
            self._send_part()
        while self._sending:
            self._etags.append(self._sending.popleft().result())
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, start=1)]
        self._client.complete_multipart_upload(
            **self._place, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
        )
        self._upload_id = ""

    def _send_part(self) -> None:
        with _typed():
            if not self._upload_id:
                self._upload_id = self._client.create_multipart_upload(**self._place)["UploadId"]
            if len(self._sending) == PARTS_AT_ONCE:
                self._etags.append(self._sending.popleft().result())
        number = len(self._etags) + len(self._sending) + 1
        self._sending.append(self._pool.submit(self._sent, number, self._taken()))

    def _sent(self, number: int, data: bytes) -> str:
        answer = self._client.upload_part(**self._place, UploadId=self._upload_id, PartNumber=number, Body=data)
        return str(answer["ETag"])

    def _taken(self) -> bytes:
        data, self._buffer, self._buffered_bytes = b"".join(self._buffer), [], 0
        return data


class S3PartWriter:
    """One part that passes through the site; it is kept in a temporary file, because S3 needs its length first."""

    def __init__(self, client: Any, place: dict[str, Any]) -> None:
        self._client, self._place = client, place
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by finish or abort

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise storage_error(error) from error

    def finish(self) -> None:
        with _typed(), self._file:
            self._file.seek(0)
            self._client.upload_part(**self._place, Body=self._file)

    def abort(self) -> None:
        self._file.close()
